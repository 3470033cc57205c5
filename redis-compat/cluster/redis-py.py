"""The program of redis-py, see `run`."""
import json
import logging
import sys

import redis

logging.disable()  # the client logs redirects
client = None


def connect(port, replicas=False):
    global client
    if client is not None:
        client.close()
    client = redis.cluster.RedisCluster(host="127.0.0.1", port=port, decode_responses=True,
                                        read_from_replicas=replicas)
    return True


def pipeline(keys):
    requests = client.pipeline()
    for key in keys:
        requests.get(key)
    return requests.execute()


def request(port, keys):
    return client.execute_command("MGET", *keys, target_nodes=client.get_node("127.0.0.1", port))


DO = {"connect": connect, "get": lambda keys: [client.get(key) for key in keys],
      "pipeline": pipeline, "mget": lambda keys: client.mget_nonatomic(keys), "request": request}

for line in sys.stdin:
    words = json.loads(line)
    try:
        answer = DO[words.pop("do")](**words)
    except redis.RedisError as error:
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(answer), flush=True)
