// A client that asks all the time while others, or faults, keep a server busy: whether it is kept
// waiting. A machine that stands still now and then must not make a test fail, and what a server
// does again and again must; so what is told are medians.
#ifndef STELE_TESTS_BESIDE_H
#define STELE_TESTS_BESIDE_H

#include <stdbool.h>

enum { BESIDE_SPELL_MS = 300 };

struct beside;

// Begins to say PING over `fd`, which nobody else may use until it is stopped.
struct beside *beside_start(int fd);

struct waits {
    bool answered;     // all was, and right
    double usual_ms;   // the median of all
    double longest_ms; // the median of the longest in each spell
};

struct waits beside_stop(struct beside *b);

#endif
