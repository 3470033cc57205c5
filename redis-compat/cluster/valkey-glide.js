// The program of valkey-glide, see `run`.
'use strict';
const { answer } = require('./answer.js');
const { ClusterBatch, GlideClusterClient, Logger } = require('@valkey/valkey-glide');

Logger.setLoggerConfig('error'); // a warning for each ASK would go to standard output
let client;

async function connect({ port, replicas }) {
    client?.close();
    client = await GlideClusterClient.createClient({
        addresses: [{ host: '127.0.0.1', port }], requestTimeout: 10_000,
        readFrom: replicas ? 'preferReplica' : 'primary',
    });
    return true;
}

function pipeline({ keys }) {
    const batch = new ClusterBatch(false);
    for (const key of keys) batch.get(key);
    return client.exec(batch, true);
}

answer({
    connect,
    pipeline,
    get: ({ keys }) => Promise.all(keys.map((key) => client.get(key))),
    mget: ({ keys }) => client.mget(keys),
    request: ({ keys, port }) => client.customCommand(['MGET', ...keys],
        { route: { type: 'routeByAddress', host: '127.0.0.1', port } }),
});
