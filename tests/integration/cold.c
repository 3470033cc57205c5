// The load generator for data larger than memory, tests/bench/load/cold, on a real server: it
// knows every record of a generated file, and reports every wrong reply.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/server.h"
#include "support/tap.h"

enum { WORDS_MAX = 24 };

static const char *program(const char *name)
{
    static char paths[2][512];
    static unsigned next;
    const char *build = getenv("STELE_BUILD");
    char *path = paths[next++ % 2];
    snprintf(path, sizeof paths[0], "%s/tests/bench/%s", build != NULL ? build : "build/release",
             name);
    return path;
}

// Runs a program with words that are separated by spaces. Appends its output. Returns its status.
static int run(const char *name, const char *words, struct buf *out, struct buf *err)
{
    char copy[512];
    const char *argv[WORDS_MAX] = {program(name)};
    unsigned count = 1;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX - 1;
         word = strtok(NULL, " "))
        argv[count++] = word;
    return run_program(argv, out, err);
}

// Runs the load generator on the server at `address`, or without an address if that is NULL.
static int cold(const char *address, const char *options, struct buf *out, struct buf *err)
{
    char words[512];
    snprintf(words, sizeof words, "%s %s", address != NULL ? address : "", options);
    return run("load/cold", words, out, err);
}

static void succeeds(const char *address, const char *options, const char *const *prints)
{
    struct buf out = {0};
    struct buf err = {0};
    is_number(cold(address, options, &out, &err), 0, "%s: every reply is right", options);
    is_bytes(buf_span(&err), span_text(""), "%s: no message on standard error", options);
    buf_append(&out, span_of("", 1));
    for (; *prints != NULL; prints++)
        ok(out.ptr != NULL && strstr(out.ptr, *prints) != NULL, "%s: prints '%s'", options,
           *prints);
    buf_release(&out);
    buf_release(&err);
}

static void fails(int status, const char *address, const char *options, const char *complaint)
{
    struct buf out = {0};
    struct buf err = {0};
    is_number(cold(address, options, &out, &err), status, "'%s': exit status", options);
    buf_append(&err, span_of("", 1));
    if (!ok(err.ptr != NULL && strstr(err.ptr, complaint) != NULL, "'%s': %s", options, complaint))
        diag("said: %s", err.ptr);
    buf_release(&out);
    buf_release(&err);
}

#define FILE_IS "--records 20k --seed 5 --values 0..30 --seconds 1 --hot 100 "

static void right_replies(const char *address)
{
    static const char *const both[] = {"paced requests\t\t20\n", "paced p99\tus\t",
                                       "sent late max\tus\t", "lookups a second\t/s\t", NULL};
    static const char *const others[] = {"p99.9 ", "lookups a second ", NULL};
    succeeds(address, FILE_IS "--paced 4 --rate 5 --connections 3 --tsv", both);
    succeeds(address, FILE_IS "--paced 0 --pipeline 4 --mget 20 --cold 50 --misses 10", others);
}

static void wrong_replies(const char *address)
{
    fails(1, address, "--records 20k --seed 6 --values 0..30 --connections 0 --seconds 1",
          "cold: wrong reply to a paced GET of '");
    fails(1, address, "--records 20k --seed 6 --values 0..30 --paced 0 --seconds 1",
          "cold: wrong reply to '*2\\x0d\\x0a$3\\x0d\\x0aGET");
    // All hot records are right, and some cold ones are not.
    fails(1, address, "--records 25k --seed 5 --values 0..30 --hot 1 --seconds 1",
          "', got '$-1\\x0d\\x0a");
    fails(1, address, "--records 20k --seed 5 --values 1..30 --paced 0 --seconds 1",
          "cold: wrong reply to '");
}

static void refused(const char *address)
{
    fails(2, address, "", "--records is missing");
    fails(2, address, "--records 0", "not a number from 1 to");
    fails(2, address, "--records 10 --hot 11", "more hot keys than records");
    fails(2, address, "--records 20k --paced 0 --connections 0", "no clients");
    fails(2, address, "--records 20k --values 3", "not A..B");
    fails(2, address, "--records 20k --cold 101", "not a number from 0 to 100: '101'");
    fails(2, address, "--records 20k --pipeline 2k --mget 1k", "more than a million keys");
    fails(2, address, "--nope", "usage: cold");
    fails(2, NULL, "--records 20k", "usage: cold");
    fails(1, "127.0.0.1:1", "--records 20k", "cannot connect to '127.0.0.1:1'");
}

int main(void)
{
    struct buf lines = {0};
    struct buf err = {0};
    require(run("generate", "20k --seed 5 --values 0..30", &lines, &err) == 0, "no data file");
    const char *file = test_file("data", buf_span(&lines));
    const char *const options[] = {"--index", "none", NULL};
    struct server_process server = server_start(file, options);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%d", server.port);
    right_replies(address);
    wrong_replies(address);
    refused(address);
    is_number(server_stop(&server), 0, "the server stops");
    buf_release(&lines);
    buf_release(&err);
    return done_testing();
}
