// What the checks of Node.js clients share: the test points they print (TAP), the server that
// `with-server` started for them, and the data it serves.
//
// A test point is named `topic: what holds`; the topics are what the matrix lists as exercised.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const NODE_NEEDED = 20;
const PATIENCE = 20_000; // milliseconds within which anything must have happened
const ABSENT = 'ffffffff-eeee-4ddd-8ccc-bbbbbbbbbbbb';
const READONLY = "READONLY You can't write against a read only replica.";

const main = { port: Number(process.env.COMPAT_PORT), path: process.env.COMPAT_SOCKET };

const isRedis = process.env.COMPAT_REDIS === '1'; // tells whether the checks are right

let points = 0;
let failed = 0;

function ok(passed, name, remark) {
    points++;
    console.log(`${passed ? 'ok' : 'not ok'} ${points} - ${name}`);
    if (!passed) {
        failed++;
        for (const line of String(remark ?? '').split('\n').slice(0, 20)) {
            console.log(`#   ${line.slice(0, 400)}`);
        }
    }
}

// What the question resolves to, if it does in time.
async function within(time, question) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer in time')), time);
    });
    try {
        return await Promise.race([question(), late]);
    } finally {
        clearTimeout(timer);
    }
}

// A test point: what the question resolves to; it fails also when the question rejects or is not
// answered in time.
async function point(name, question, wanted) {
    try {
        assert.deepStrictEqual(await within(PATIENCE, question), wanted);
        ok(true, name);
    } catch (error) {
        ok(false, name, error.message);
    }
}

// The error that a promise is rejected with.
async function rejection(promise) {
    return promise.then((value) => new Error(`no error, but ${value}`), (error) => error);
}

// The library, as npm installed it; where Node.js is too old for it, all is skipped.
function library(name) {
    const major = Number(process.versions.node.split('.')[0]);
    if (major < NODE_NEEDED) {
        console.log(`1..0 # SKIP needs Node ${NODE_NEEDED}, this is ${major}`);
        process.exit(0);
    }
    const place = path.join(__dirname, '../../build/redis-compat/node/node_modules', name);
    if (!fs.existsSync(place)) {
        console.log(`Bail out! no ${name}: redis-compat/install-clients gets it`);
        process.exit(1);
    }
    const { version } = JSON.parse(fs.readFileSync(path.join(place, 'package.json')));
    console.log(`# version ${version} on Node ${process.versions.node}`);
    return require(place);
}

// What the data file holds: key → Buffer.
function records() {
    const bytes = fs.readFileSync(process.env.COMPAT_DATA);
    const found = new Map();
    for (let at = 0; at < bytes.length; ) {
        const end = bytes.indexOf(10, at);
        found.set(bytes.toString('latin1', at, at + 36), bytes.subarray(at + 37, end));
        at = end + 1;
    }
    return found;
}

// Tells `with-server` to stop or start the server, or to spawn another; the words of its answer.
function control(...words) {
    return new Promise((resolve, reject) => {
        let answer = '';
        const socket = net.connect(process.env.COMPAT_CONTROL,
            () => socket.write(`${words.join(' ')}\n`));
        socket.on('data', (chunk) => { answer += chunk; });
        socket.on('error', reject);
        socket.on('end', () => {
            const [said, ...rest] = answer.trim().split(' ');
            if (said === 'ok') resolve(rest);
            else reject(new Error(answer.trim()));
        });
    });
}

// What `take` is called with, `count` times, before it resolves.
function collected(count, register) {
    return new Promise((resolve) => {
        const said = [];
        register((...words) => {
            said.push(words);
            if (said.length === count) resolve(said);
        });
    });
}

function done() {
    console.log(`1..${points}`);
    process.exit(failed > 0 ? 1 : 0);
}

// Runs the checks one after another, tidying up after each; one that throws is a failed point of
// its topic.
async function runAll(checks, tidy) {
    for (const [topic, check] of Object.entries(checks)) {
        try {
            await within(2 * PATIENCE, check);
        } catch (error) {
            ok(false, `${topic}: to its end`, error.stack);
        }
        tidy();
    }
    done();
}

module.exports = {
    ABSENT, READONLY, collected, control, isRedis, library, main, ok, point, records, rejection,
    runAll,
};
