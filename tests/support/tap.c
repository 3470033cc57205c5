// TAP output and seeded random numbers.
#include "support/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned points;
static unsigned failures;

__attribute__((format(printf, 2, 0))) static bool report(bool passed, const char *name,
                                                         va_list args)
{
    points++;
    failures += !passed;
    printf("%sok %u - ", passed ? "" : "not ", points);
    vprintf(name, args);
    printf("\n");
    return passed;
}

bool ok(bool passed, const char *name, ...)
{
    va_list args;
    va_start(args, name);
    report(passed, name, args);
    va_end(args);
    return passed;
}

bool is_number(int64_t got, int64_t wanted, const char *name, ...)
{
    va_list args;
    va_start(args, name);
    report(got == wanted, name, args);
    va_end(args);
    if (got != wanted)
        diag("got %lld, wanted %lld", (long long)got, (long long)wanted);
    return got == wanted;
}

static void show(const char *what, struct span s, size_t from)
{
    printf("#   %s (%zu bytes): %s", what, s.len, from > 0 ? "..." : "");
    for (size_t i = from; i < s.len && i < from + 160; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        printf(c >= 0x20 && c < 0x7f && c != '\\' ? "%c" : "\\x%02x", c);
    }
    printf("\n");
}

bool is_bytes(struct span got, struct span wanted, const char *name, ...)
{
    va_list args;
    bool same = span_equal(got, wanted);
    va_start(args, name);
    report(same, name, args);
    va_end(args);
    if (!same) {
        size_t at = 0;
        while (at < got.len && at < wanted.len && got.ptr[at] == wanted.ptr[at])
            at++;
        size_t from = at > 40 ? at - 40 : 0;
        printf("#   first difference at byte %zu\n", at);
        show("got", got, from);
        show("wanted", wanted, from);
    }
    return same;
}

bool is_text(const char *got, const char *wanted, const char *name, ...)
{
    va_list args;
    bool same = strcmp(got, wanted) == 0;
    va_start(args, name);
    report(same, name, args);
    va_end(args);
    if (!same)
        diag("got    '%s'\n#   wanted '%s'", got, wanted);
    return same;
}

void diag(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("#   ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

int done_testing(void)
{
    printf("1..%u\n", points);
    fflush(stdout);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool bailing;

bool is_bailing_out(void)
{
    return bailing;
}

void require(bool good, const char *format, ...)
{
    if (good)
        return;
    va_list args;
    bailing = true;
    printf("Bail out! ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    exit(EXIT_FAILURE);
}

struct random random_seeded(void)
{
    const char *given = getenv("STELE_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("# seed %llu (STELE_SEED=%llu repeats this run)\n", (unsigned long long)seed,
           (unsigned long long)seed);
    return (struct random){seed};
}

#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)

uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += RANDOM_STEP;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_skip(struct random *r, uint64_t count)
{
    r->state += count * RANDOM_STEP;
}

uint64_t random_below(struct random *r, uint64_t limit)
{
    return random_next(r) % limit;
}
