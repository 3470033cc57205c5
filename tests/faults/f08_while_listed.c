// Fault F8 (docs/faults.md): another process writes to the index file while a command reads it,
// just before the server checks the times of the file. The reply is right, or an error, or the
// server sends only a correct beginning of the reply and closes the connection.
//
// The test replaces fstat, with which the server checks the times, so the moment is exact.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/index_format.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/ask.h"

enum {
    TURNS = 10000, // more turns than a command takes
    // Checks of each command that are tried. In each case the file is written to just before one of
    // them.
    CHECKS_TRIED = 6,
    DAMAGE = 64 * 1024 // bytes
};

static const struct table table = {1, 20000};
static const char *data;
static const char *path; // path of the index file

// ---- the moment ---------------------------------------------------------------------------------

static bool watching;       // calls of fstat are counted
static unsigned checks;     // calls of fstat in this case
static unsigned written_at; // number of the check before which the file is written to; 0: none
static struct span written; // bytes that are written over the image

int fstat(int fd, struct stat *status)
{
    if (watching && ++checks == written_at) {
        watching = false;
        file_patch(path, INDEX_IMAGE_AT, written);
        watching = true;
    }
    return (int)syscall(SYS_newfstatat, fd, "", status, 0x1000); // AT_EMPTY_PATH
}

// ---- the cases ----------------------------------------------------------------------------------

// Runs a command on a dataset with a new index file, to which `bytes` are written before check
// number `at`. Returns the reply.
static struct buf run_command(const char *command, unsigned at, struct span bytes)
{
    struct opened o;
    struct ask a;
    unsigned turns;
    unlink(path);
    index_written(data, NULL);
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    require(o.dataset != NULL && is_proven(o.dataset), "no index: %s", o.error.text);
    ask_open_dataset(&a, o.dataset);
    checks = 0;
    written_at = at;
    written = bytes;
    watching = true;
    struct buf reply = ask_turns(&a, command, TURNS, &turns);
    watching = false;
    ask_close(&a);
    notices_clear(&o.notices);
    return reply;
}

static bool is_error(const struct buf *reply)
{
    static const char error[] = "-ERR data unreadable";
    return reply->len > strlen(error) && memcmp(reply->ptr, error, strlen(error)) == 0;
}

static void check(const char *command, struct span bytes, const char *what)
{
    struct buf right = run_command(command, 0, span_of(NULL, 0));
    unsigned all = checks;
    ok(all > 0 && right.len > 100, "%s: %u checks, %zu bytes", command, all, right.len);
    for (unsigned i = 0; i < CHECKS_TRIED; i++) {
        unsigned at = 1 + i * (all - 1) / (CHECKS_TRIED - 1);
        struct buf reply = run_command(command, at, bytes);
        bool exact = span_equal(buf_span(&reply), buf_span(&right));
        bool begun = reply.len < right.len && memcmp(reply.ptr, right.ptr, reply.len) == 0;
        ok(exact || begun || is_error(&reply), "%s, %s before check %u: the reply is %s", command,
           what, at,
           exact   ? "right"
           : begun ? "not completed"
                   : "an error");
        buf_release(&reply);
    }
    buf_release(&right);
}

int main(void)
{
    static const char *const commands[] = {"KEYS *", "SCAN 0 COUNT 1000000",
                                           "SCAN 0 MATCH *a? COUNT 5000", "STELE.RANGE - +"};
    data = table_file(&table, "table.data");
    char *index = NULL;
    require(asprintf(&index, "%s.idx", data) > 0, "no memory");
    path = index;
    index_written(data, NULL);
    struct buf file = file_content(path);
    char *noise = malloc(DAMAGE);
    require(noise != NULL && file.len > INDEX_IMAGE_AT + DAMAGE, "no index");
    memset(noise, 0xff, DAMAGE);
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        check(commands[i], span_of(file.ptr + INDEX_IMAGE_AT, DAMAGE), "the same bytes");
        check(commands[i], span_of(noise, DAMAGE), "noise");
    }
    free(noise);
    free(index);
    buf_release(&file);
    return done_testing();
}
