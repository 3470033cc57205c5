// A client that sends PING all the time, while other clients or faults keep the server busy. It
// measures how long it waits for replies.
//
// The results are medians. So a pause of the machine does not make a test fail, but a server that
// makes its clients wait again and again does.
#ifndef STELE_TESTS_BESIDE_H
#define STELE_TESTS_BESIDE_H

#include <stdbool.h>

enum { BESIDE_SPELL_MS = 300 }; // the longest wait is noted for each span of this length

struct beside;

// Starts a thread that sends PING over `fd`. Nobody else may use `fd` until beside_stop.
struct beside *beside_start(int fd);

struct waits {
    bool answered;     // every PING was answered with PONG
    double usual_ms;   // median of all waits
    double longest_ms; // median of the longest waits of all spans of BESIDE_SPELL_MS
};

// Stops the thread, frees `b` and returns the results.
struct waits beside_stop(struct beside *b);

#endif
