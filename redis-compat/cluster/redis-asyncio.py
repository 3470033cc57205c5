"""The program of redis.asyncio, see `run`."""
import asyncio
import json
import logging
import sys

import redis
import redis.asyncio.cluster

logging.disable()  # the client logs redirects
client = None


async def connect(port, replicas=False):
    global client
    if client is not None:
        await client.close()
    client = redis.asyncio.cluster.RedisCluster(host="127.0.0.1", port=port, decode_responses=True,
                                                read_from_replicas=replicas)
    await client.initialize()
    return True


async def get(keys):
    return await asyncio.gather(*(client.get(key) for key in keys))


async def pipeline(keys):
    requests = client.pipeline()
    for key in keys:
        requests.get(key)
    return await requests.execute()


async def mget(keys):
    return await client.mget_nonatomic(keys)


async def request(port, keys):
    return await client.execute_command("MGET", *keys,
                                        target_nodes=client.get_node("127.0.0.1", port))


DO = {"connect": connect, "get": get, "pipeline": pipeline, "mget": mget, "request": request}


async def main():
    for line in sys.stdin:
        words = json.loads(line)
        try:
            answer = await DO[words.pop("do")](**words)
        except redis.RedisError as error:
            answer = {"error": "%s: %s" % (type(error).__name__, error)}
        print(json.dumps(answer), flush=True)
    if client is not None:
        await client.close()


asyncio.run(main())
