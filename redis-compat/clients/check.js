// What the checks of Node.js clients share: they print test points (TAP), and use the server of
// `with-server` and its data.
//
// A test point has a name like `topic: statement`. The matrix lists the topics that were exercised.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const NODE_NEEDED = 20;
const PATIENCE = 20_000; // milliseconds to wait for anything
const ABSENT = 'ffffffff-eeee-4ddd-8ccc-bbbbbbbbbbbb';
const READONLY = "READONLY You can't write against a read only replica.";

const main = { port: Number(process.env.COMPAT_PORT), path: process.env.COMPAT_SOCKET };

const isRedis = process.env.COMPAT_REDIS === '1'; // a real Redis shows whether the checks are right

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

// Resolves to what `question` resolves to, or rejects if that takes too long.
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

// Prints a test point that compares what `question` resolves to. It fails also if `question`
// rejects or takes too long.
async function point(name, question, wanted) {
    try {
        assert.deepStrictEqual(await within(PATIENCE, question), wanted);
        ok(true, name);
    } catch (error) {
        ok(false, name, error.message);
    }
}

// Resolves to the error that a promise is rejected with.
async function rejection(promise) {
    return promise.then((value) => new Error(`no error, but ${value}`), (error) => error);
}

// Returns the library that npm has installed. Skips the whole check if Node.js is too old for it.
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

// Returns the data as a map: key → Buffer.
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

// Has `with-server` stop or start the server, or start another one. Resolves to the words after
// "ok".
function control(...words) {
    return new Promise((resolve, reject) => {
        let answer = '';
        const socket = net.connect(process.env.COMPAT_CONTROL,
            () => socket.write(`${words.join(' ')}\n`));
        socket.on('data', (chunk) => { answer += chunk; });
        socket.on('error', reject);
        socket.on('end', () => {
            const [status, ...rest] = answer.trim().split(' ');
            if (status === 'ok') resolve(rest);
            else reject(new Error(answer.trim()));
        });
    });
}

// Registers a function and resolves to the arguments of its first `count` calls.
function collected(count, register) {
    return new Promise((resolve) => {
        const calls = [];
        register((...words) => {
            calls.push(words);
            if (calls.length === count) resolve(calls);
        });
    });
}

function done() {
    console.log(`1..${points}`);
    process.exit(failed > 0 ? 1 : 0);
}

// Runs the checks one after another, and calls `tidy` after each. A check that throws is a failed
// point of its topic.
async function runAll(checks, tidy) {
    for (const [topic, check] of Object.entries(checks)) {
        try {
            await within(2 * PATIENCE, check);
        } catch (error) {
            ok(false, `${topic}: the check runs to its end`, error.stack);
        }
        tidy();
    }
    done();
}

module.exports = {
    ABSENT, READONLY, collected, control, isRedis, library, main, ok, point, records, rejection,
    runAll,
};
