// The program of ioredis and of iovalkey, a fork of it, see `run`.
'use strict';
const { answer } = require('./answer.js');
const Redis = require(process.argv[2]);

let client;

function connect({ port, replicas }) {
    client?.disconnect();
    client = new Redis.Cluster([{ host: '127.0.0.1', port }],
        { scaleReads: replicas ? 'slave' : 'master' });
    client.on('error', () => {});
    return new Promise((resolve, reject) => {
        client.once('ready', () => resolve(true));
        client.once('end', () => reject(new Error('cannot connect')));
    });
}

async function pipeline({ keys }) {
    const requests = client.pipeline();
    for (const key of keys) requests.get(key);
    const replies = await requests.exec();
    return replies.map(([error, value]) => (error ? { error: error.message } : value));
}

answer({
    connect,
    pipeline,
    get: ({ keys }) => Promise.all(keys.map((key) => client.get(key))),
    mget: ({ keys }) => client.mget(keys),
    request: ({ keys, port }) =>
        client.nodes('all').find((node) => node.options.port === port).mget(keys),
});
