// Test Anything Protocol, as much as a test needs: `prove` reads it.
#ifndef STELE_TESTS_TAP_H
#define STELE_TESTS_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

// One test point: "ok N - …" or "not ok N - …", the name formatted. Gives `passed` back.
bool ok(bool passed, const char *name, ...) __attribute__((format(printf, 2, 3)));

// A test point that shows both numbers, or both strings with unprintable bytes escaped, when they
// differ. Long strings are shown from shortly before the first difference.
bool is_number(int64_t got, int64_t wanted, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
bool is_bytes(struct span got, struct span wanted, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
bool is_text(const char *got, const char *wanted, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

// A remark, shown by `prove -v` and after failures.
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Ends the test: prints the plan; the exit code for main.
int done_testing(void);

// Ends the whole test at once when `good` is false: for what makes going on useless.
void require(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Random numbers that a printed seed repeats (splitmix64, Steele, Lea & Flood 2014). The seed is
// $STELE_SEED, or the clock.
struct random {
    uint64_t state;
};
struct random random_seeded(void); // prints the seed
uint64_t random_next(struct random *r);
uint64_t random_below(struct random *r, uint64_t limit);

#endif
