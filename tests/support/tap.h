// The output of tests in the Test Anything Protocol, which `prove` reads.
#ifndef STELE_TESTS_TAP_H
#define STELE_TESTS_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

// A test point: prints "ok N - NAME" or "not ok N - NAME", with a formatted name. Returns `passed`.
bool ok(bool passed, const char *name, ...) __attribute__((format(printf, 2, 3)));

// Test points that compare two values, and print both when they differ. Strings are printed with
// unprintable bytes escaped. Of a long string, only the part that begins shortly before the first
// difference is printed.
bool is_number(int64_t got, int64_t wanted, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
bool is_bytes(struct span got, struct span wanted, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
bool is_text(const char *got, const char *wanted, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

// Prints a remark. `prove -v` shows it.
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Ends the test: prints the number of test points and returns the exit code for main.
int done_testing(void);

// Returns whether the program ends because a requirement was not met.
bool is_bailing_out(void);

// Ends the whole test at once, with a message, when `good` is false. For failures after which the
// test cannot go on.
void require(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Random numbers (splitmix64, Steele, Lea & Flood 2014). The seed is $STELE_SEED, or the time. It
// is printed, so that a run can be repeated with the same numbers.
struct random {
    uint64_t state;
};
struct random random_seeded(void); // prints the seed
uint64_t random_next(struct random *r);
// Skips the next `count` numbers, in constant time.
void random_skip(struct random *r, uint64_t count);
// Returns a number less than `limit`.
uint64_t random_below(struct random *r, uint64_t limit);

#endif
