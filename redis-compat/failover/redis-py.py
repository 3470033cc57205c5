"""The program of redis-py, see `run`. redis-py connects to one address, so the program has a client
for each server."""
import json
import sys

import redis

TRIES = 20
# Without a timeout, a server that stands still would stop the program.
clients = [redis.Redis(port=int(port), socket_timeout=1, socket_connect_timeout=1,
                       decode_responses=True) for port in sys.argv[1:]]
failed = 0


def get(key):
    """Returns the value from the first server that answers."""
    global failed
    for left in reversed(range(TRIES)):
        try:
            return clients[0].get(key)
        except (redis.ConnectionError, redis.TimeoutError):
            failed += 1
            clients.append(clients.pop(0))
            if left == 0:
                raise


for line in sys.stdin:
    failed = 0
    values = [get(key) for key in json.loads(line)["keys"]]
    print(json.dumps([values, failed]), flush=True)
