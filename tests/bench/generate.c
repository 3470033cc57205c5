// generate: writes a data file to standard output. The same arguments give the same bytes.
//
// Random UUIDs are those of support/synthetic.h: each record follows from the seed and its number.
// They and the keys of redis-benchmark are made while they are written, so only the disk limits
// their number. Any other key set is made in memory first (16 bytes a key), and written in random
// order.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "data/uuid_text.h"
#include "support/count.h"
#include "support/keysets.h"
#include "support/synthetic.h"
#include "support/tap.h"

enum {
    VALUE_MAX = 1 << 20,
    BUFFER = 1 << 18, // bytes gathered before they are written
    AROUND = 128,     // room for all bytes of a record besides its value, in both formats, and
                      // for SYNTHETIC_SLACK
};

#define REDIS_BENCHMARK_MAX UINT64_C(1000000000000) // 12 digits

static const char help[] =
    "usage: generate N [OPTION...]\n"
    "\n"
    "Writes N lines `UUID value` to standard output. N may end in k or M.\n"
    "\n"
    "  --values A..B  each value has A to B random bytes, but no newline (default 1..100)\n"
    "  --seed S       seed of the random numbers (default 1)\n"
    "  --keys NAME    use a key set of --list instead of random v4 UUIDs; some have fewer than N\n"
    "                 keys. The key set redis-benchmark has the N keys that\n"
    "                 `redis-benchmark -r N GET 00000000-0000-4000-8000-__rand_int__` requests,\n"
    "                 in ascending order\n"
    "  --list         print the names of the key sets and exit\n"
    "  --resp         write the records as SET commands, for redis-cli --pipe\n"
    "  --help         show this help and exit\n";

struct job {
    uint64_t count;
    const struct keyset *set;
    uint64_t value_min;
    uint64_t value_max;
    bool resp;
};

static _Noreturn void refuse(const char *what, const char *text)
{
    fprintf(stderr, "generate: %s: '%s' (--help tells more)\n", what, text);
    exit(2);
}

static uint64_t parse_count(const char *text)
{
    uint64_t count;
    if (!count_parse(text, &count))
        refuse("not a number", text);
    return count;
}

static void parse_values(struct job *job, const char *text)
{
    uint64_t min;
    uint64_t max;
    if (!count_parse_range(text, &min, &max) || max > VALUE_MAX)
        refuse("not A..B with A <= B <= 1048576", text);
    job->value_min = min;
    job->value_max = max;
}

// Returns the key whose last 12 digits are `i` in decimal, as redis-benchmark writes them.
static struct uuid redis_benchmark_key(struct random *r, size_t i, size_t count)
{
    struct uuid id = {0x4000, UINT64_C(0x8000) << 48};
    (void)r;
    (void)count;
    for (unsigned shift = 0; i > 0; i /= 10, shift += 4)
        id.lo |= (uint64_t)(i % 10) << shift;
    return id;
}

// Not in keysets[], because its keys are so similar that they test nothing new in the index.
static const struct keyset redis_benchmark = {"redis-benchmark", REDIS_BENCHMARK_MAX,
                                              redis_benchmark_key};

static const struct keyset *find_keyset(const char *name)
{
    if (strcmp(name, redis_benchmark.name) == 0)
        return &redis_benchmark;
    for (unsigned i = 0; i < keyset_count; i++)
        if (strcmp(keysets[i].name, name) == 0)
            return &keysets[i];
    refuse("no such key set", name);
}

static void write_all(const struct buf *from)
{
    for (size_t written = 0; written < from->len;) {
        ssize_t n = write(STDOUT_FILENO, from->ptr + written, from->len - written);
        if (n < 0) {
            perror("generate");
            exit(1);
        }
        written += (size_t)n;
    }
}

static void write_record(struct random *r, const struct job *job, struct uuid id, struct buf *to)
{
    size_t len = synthetic_length(r, job->value_min, job->value_max);
    char *start = buf_reserve(to, AROUND + len);
    require(start != NULL, "no memory");
    char *at = start;
    if (job->resp)
        at = stpcpy(at, "*3\r\n$3\r\nSET\r\n$36\r\n");
    uuid_format(id, at);
    at += UUID_TEXT_LEN;
    if (job->resp)
        at += sprintf(at, "\r\n$%u\r\n", (unsigned)len);
    else
        *at++ = ' ';
    synthetic_value(r, len, at);
    at += len;
    at = job->resp ? stpcpy(at, "\r\n") : at + 1;
    if (!job->resp)
        at[-1] = '\n';
    to->len += (size_t)(at - start);
    if (to->len >= BUFFER) {
        write_all(to);
        to->len = 0;
    }
}

static void generate(const struct job *job, uint64_t seed)
{
    struct random r = {seed};
    struct buf to = {0};
    if (job->set == &keysets[0] || job->set == &redis_benchmark) {
        for (uint64_t i = 0; i < job->count; i++) {
            r = synthetic_random(seed, i);
            write_record(&r, job, job->set->key(&r, i, job->count), &to);
        }
    } else {
        struct uuid *keys = malloc((job->count + 1) * sizeof *keys);
        require(keys != NULL, "no memory");
        size_t count = keyset_fill(job->set, &r, keys, job->count);
        for (size_t i = 0; i < count; i++)
            write_record(&r, job, keys[i], &to);
        free(keys);
    }
    write_all(&to);
    buf_release(&to);
}

int main(int argc, char *argv[])
{
    static const struct option options[] = {
        {"values", required_argument, NULL, 'v'},
        {"seed", required_argument, NULL, 's'},
        {"keys", required_argument, NULL, 'k'},
        {"list", no_argument, NULL, 'l'},
        {"resp", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct job job = {.set = &keysets[0], .value_min = 1, .value_max = 100};
    uint64_t seed = 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'v': parse_values(&job, optarg); break;
        case 's': seed = parse_count(optarg); break;
        case 'k': job.set = find_keyset(optarg); break;
        case 'r': job.resp = true; break;
        case 'h': fputs(help, stdout); return 0;
        case 'l':
            for (unsigned i = 0; i < keyset_count; i++)
                printf("%s\n", keysets[i].name);
            return 0;
        default: fputs(help, stderr); return 2;
        }
    }
    if (optind + 1 != argc) {
        fputs(help, stderr);
        return 2;
    }
    job.count = parse_count(argv[optind]);
    if (job.set == &redis_benchmark && job.count > REDIS_BENCHMARK_MAX)
        refuse("more keys than redis-benchmark has", argv[optind]);
    generate(&job, seed);
    return 0;
}
