// The program of node-redis, see `run`.
'use strict';
const { answer } = require('./answer.js');
const { createCluster } = require('redis');

let client;

async function connect({ port, replicas }) {
    client?.destroy();
    client = createCluster({
        rootNodes: [{ url: `redis://127.0.0.1:${port}` }], useReplicas: replicas,
    });
    client.on('error', () => {});
    await client.connect();
    return true;
}

function pipeline({ keys }) {
    const requests = client.multi();
    for (const key of keys) requests.get(key);
    return requests.execAsPipeline();
}

async function request({ keys, port }) {
    const node = client.nodeByAddress.get(`127.0.0.1:${port}`);
    return (await client.nodeClient(node)).mGet(keys);
}

answer({
    connect,
    pipeline,
    request,
    get: ({ keys }) => Promise.all(keys.map((key) => client.get(key))),
    mget: ({ keys }) => client.mGet(keys),
});
