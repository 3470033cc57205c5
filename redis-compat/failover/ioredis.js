// The program of ioredis and of iovalkey, a fork of it, see `run`. They repeat requests on a new
// connection. The strategy for connecting again may change the port (and the host) in the options.
'use strict';
const readline = require('node:readline');
const Redis = require(process.argv[2]);
const ports = process.argv.slice(3).map(Number);
let at = 0;
let failed = 0;

const client = new Redis({
    port: ports[0],
    connectTimeout: 1000,
    socketTimeout: 1000, // for a server that stands still
    retryStrategy: () => {
        at = (at + 1) % ports.length;
        client.options.port = ports[at];
        return 10; // milliseconds until it connects
    },
});
client.on('error', () => {}); // it connects again

async function get(key) {
    try {
        return await client.get(key);
    } catch (error) {
        failed += 1;
        return get(key);
    }
}

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        failed = 0;
        const values = [];
        for (const key of JSON.parse(line).keys) values.push(await get(key));
        process.stdout.write(`${JSON.stringify([values, failed])}\n`);
    }
    process.exit(0);
}

main();
