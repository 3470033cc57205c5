// What the programs of Node.js clients share, see `run`.
'use strict';
const readline = require('node:readline');

// Returns the answer if a question resolves, and else an error.
async function answerTo(question) {
    try {
        return await question();
    } catch (error) {
        return { error: String(error.message || error) };
    }
}

// Answers the lines of standard input, one after the other. `methods` has a function for each word.
async function answer(methods) {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const asked = JSON.parse(line);
        const said = await answerTo(() => methods[asked.do](asked));
        process.stdout.write(`${JSON.stringify(said)}\n`);
    }
    process.exit(0);
}

module.exports = { answer };
