// The load generator of `make bench` on a real server: it accepts right replies and reports every
// wrong one.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/keysets.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

enum { KEYS = 500, VALUE_MAX = 200, WORDS_MAX = 20 };

static const char *program(void)
{
    const char *build = getenv("STELE_BUILD");
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/bench/load/load",
             build != NULL ? build : "build/release");
    return path;
}

struct said {
    int code;
    struct buf out;
    struct buf err;
};

// Runs the load generator on a file and an address, with options that are separated by spaces. The
// caller releases the result.
static struct said load(const char *file, const char *address, const char *options)
{
    char words[256];
    const char *argv[WORDS_MAX] = {program(), file, address};
    struct said s = {0};
    unsigned count = 3;
    snprintf(words, sizeof words, "%s", options);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[count++] = word;
    s.code = run_program(argv, &s.out, &s.err);
    return s;
}

static void said_release(struct said *s)
{
    buf_release(&s->out);
    buf_release(&s->err);
}

static void succeeds(const char *file, const char *address, const char *options, const char *prints)
{
    struct said s = load(file, address, options);
    is_number(s.code, 0, "%s: every reply is right", options);
    ok(occurrences(buf_span(&s.out), prints) == 1, "%s: prints '%s'", options, prints);
    is_bytes(buf_span(&s.err), span_text(""), "%s: no message on standard error", options);
    said_release(&s);
}

static void fails(int code, const char *file, const char *address, const char *options,
                  const char *complaint)
{
    struct said s = load(file, address, options);
    is_number(s.code, code, "'%s': exit status", options);
    if (!ok(occurrences(buf_span(&s.err), complaint) >= 1, "'%s': %s", options, complaint))
        diag("said: %.*s", (int)s.err.len, s.err.ptr != NULL ? s.err.ptr : "");
    said_release(&s);
}

// ---- right replies ------------------------------------------------------------------------------

static void test_loads(const char *file, const struct server_process *server, const char *address)
{
    static const char *const presets[] = {"P1", "P16", "P128", "M100", "PING"};
    for (unsigned i = 0; i < sizeof presets / sizeof *presets; i++) {
        char options[128];
        snprintf(options, sizeof options, "--load %s --lookups 3k --tsv --pid %d", presets[i],
                 (int)server->pid);
        succeeds(file, address, options, "server CPU a lookup\tus\t");
    }
    succeeds(file, address, "--connections 3 --pipeline 5 --mget 7 --lookups 1050", "p99.9 ");
    succeeds(file, address, "--pipeline 9 --misses 40 --lookups 2k --seed 9", "p50 ");
    succeeds(file, address, "--mget 30 --misses 100 --lookups 2k", "max ");
    succeeds(file, address, "--load P1 --connections 2 --flood 2 --lookups 200", "1 GET in flight");
    // More bytes than socket buffers hold, so they are written and read piece by piece.
    succeeds(file, address, "--connections 1 --pipeline 20k --lookups 40k", "lookups a second ");
}

// ---- wrong replies ------------------------------------------------------------------------------

// The generator reads another file than the server, so some replies are wrong.
static void test_wrong(const char *address, struct buf *lines)
{
    lines->ptr[lines->len - 2] ^= 1; // the last byte of the last value
    const char *file = test_file("other", buf_span(lines));
    fails(1, file, address, "--lookups 100k", "load: wrong reply to '*2\\x0d\\x0a$3\\x0d\\x0aGET");
    fails(1, file, address, "--load M100 --lookups 100k", "load: wrong reply to '*101\\x0d\\x0a");
    lines->ptr[lines->len - 2] ^= 1;

    lines->ptr[lines->len - 1] = 'x'; // the last value has one more byte
    buf_append_text(lines, "\n");
    file = test_file("other", buf_span(lines));
    fails(1, file, address, "--load P16 --lookups 100k", "expected '");
    lines->len--;
    lines->ptr[lines->len - 1] = '\n';

    buf_append_text(lines, "ffffffff-eeee-4ddd-8ccc-bbbbbbbbbbbb absent\n");
    file = test_file("other", buf_span(lines));
    struct said s = load(file, address, "--load P128 --lookups 100k");
    is_number(s.code, 1, "a key that is not served: exit status");
    ok(occurrences(buf_span(&s.err),
                   "expected '$6\\x0d\\x0aabsent\\x0d\\x0a', got '$-1\\x0d\\x0a") == 1,
       "a key that is not served: the message has both replies");
    said_release(&s);
}

static void test_refused(const char *file, const char *address)
{
    static const struct {
        const char *options;
        const char *complaint;
    } cases[] = {
        {"--load P2", "no such load: 'P2'"},
        {"--connections 0", "not a number from 1 to 10000: '0'"},
        {"--pipeline x", "not a number from 1 to"},
        {"--pipeline -1", "not a number from 1 to"},
        {"--misses 101", "not a number from 0 to 100: '101'"},
        {"--protocol http", "neither resp nor memcached: 'http'"},
        {"--mget 1k --pipeline 2k", "more than a million keys"},
        {"--flood 1 --pid 1", "the processor time would be that of the flood"},
        {"--nope", "usage: load"},
        {"more", "usage: load"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        fails(2, file, address, cases[i].options, cases[i].complaint);
    fails(1, test_path("none"), address, "", "cannot open");
    fails(1, test_file("empty", span_text("")), address, "", "is empty");
    fails(1, test_file("malformed", span_text("no\n")), address, "", "malformed:1: byte 0: ");
    fails(1, file, "127.0.0.1:1", "", "cannot connect to '127.0.0.1:1'");
    fails(1, file, "127.0.0.1", "", "neither HOST:PORT nor a path");
    fails(1, file, test_path("no.sock"), "", "cannot connect to '/");
}

// ---- memcached ----------------------------------------------------------------------------------

static void test_memcached(const char *file)
{
    const char *path = test_path("memcached.sock");
    const char *const version[] = {"memcached", "-V", NULL};
    struct buf out = {0};
    struct buf err = {0};
    bool installed = run_program(version, &out, &err) == 0;
    buf_release(&out);
    buf_release(&err);
    if (!installed) {
        ok(true, "memcached # SKIP not installed");
        return;
    }
    pid_t pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // memcached ends with the test
        // -u matters only if this runs as root, to whom the folder then belongs.
        execlp("memcached", "memcached", "-t", "1", "-u", "root", "-s", path, (char *)NULL);
        _exit(127);
    }
    while (access(path, F_OK) != 0 && waitpid(pid, NULL, WNOHANG) == 0)
        usleep(1000);
    struct said s = load(file, path, "--fill --protocol memcached");
    is_number(s.code, 0, "memcached: filled with the data");
    said_release(&s);
    succeeds(file, path, "--protocol memcached --load P16 --misses 20 --lookups 2k", "p99 ");
    succeeds(file, path, "--protocol memcached --load M100 --misses 20 --lookups 2k", "p99 ");
    succeeds(file, path, "--protocol memcached --load PING --lookups 1k", "p99 ");
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    struct random r = random_seeded();
    struct uuid keys[KEYS];
    struct buf lines = {0};
    size_t count = keyset_fill(&keysets[0], &r, keys, KEYS);
    keys_write_lines(&r, keys, count, VALUE_MAX, &lines);
    // The last line, whose value the tests change and lengthen.
    buf_append_text(&lines, "01234567-89ab-4cde-8f01-23456789abcd value\n");
    const char *file = test_file("data", buf_span(&lines));
    const char *const options[] = {"--index", "none", "--unixsocket", test_path("stele.sock"),
                                   NULL};
    struct server_process server = server_start(file, options);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%d", server.port);
    test_loads(file, &server, address);
    succeeds(file, test_path("stele.sock"), "--load P16 --lookups 2k", "lookups a second ");
    test_wrong(address, &lines);
    test_refused(file, address);
    is_number(server_stop(&server), 0, "the server stops");
    test_memcached(file);
    buf_release(&lines);
    return done_testing();
}
