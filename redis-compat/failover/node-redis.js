// The program of node-redis, see `run`. A client of node-redis connects again, but always to the
// same address, so the program has a client for each server.
'use strict';
const readline = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');
const { createClient } = require('redis');

const clients = process.argv.slice(2).map((port) => createClient({
    socket: { port: Number(port), connectTimeout: 1000, reconnectStrategy: () => 100 },
    disableOfflineQueue: true, // so that a request fails at once while there is no connection
}));
let failed = 0;

// Rejects when the promise takes more than a second, because the server stands still.
function inTime(promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('no reply in time')), 1000);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Returns the first client that has a connection.
async function connected() {
    for (;;) {
        const client = clients.find((each) => each.isReady);
        if (client) return client;
        await sleep(10);
    }
}

async function get(key, tries = 20) {
    const client = await connected();
    try {
        return await inTime(client.get(key));
    } catch (error) {
        failed += 1;
        clients.splice(clients.indexOf(client), 1);
        clients.push(client); // the last one to be asked
        if (tries === 1) throw error;
        return get(key, tries - 1);
    }
}

async function main() {
    for (const client of clients) client.on('error', () => {}); // it connects again
    await Promise.all(clients.map((client) => client.connect()));
    for await (const line of readline.createInterface({ input: process.stdin })) {
        failed = 0;
        const values = [];
        for (const key of JSON.parse(line).keys) values.push(await get(key));
        process.stdout.write(`${JSON.stringify([values, failed])}\n`);
    }
    process.exit(0);
}

main();
