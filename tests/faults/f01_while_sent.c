// Fault F1 (docs/faults.md): the data file is cut, and filled with zeros again, at the worst
// moment: after the server has checked it, and before the kernel copies a large value from it to
// the socket. The client may receive zeros for bytes of the value, but never the end of that reply,
// as the connection closes first.
//
// The test replaces sendmsg and send, so the moment is exact.
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mapping.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "faults/support/hammer.h"
#include "net/conn.h"
#include "net/worker.h"
#include "support/server.h"
#include "support/service.h"
#include "support/tap.h"
#include "unit/support/pairs.h"

enum {
    RECORDS = 400,
    ASKED = 3,         // large values in one pipeline
    TURNS = 50,        // most turns of the loop in a case
    MANY_CALLS = 1000, // more calls than a case makes
};

static struct held_file file;
static const char *path;
static struct pairs pairs;
static struct service_group group;

// ---- the moment ---------------------------------------------------------------------------------

static unsigned calls;      // calls of writev and send with a value, since the case began
static unsigned damaged_at; // number of the call before which the file is damaged; 0: none

static void damage_when_due(size_t bytes)
{
    if (bytes < 1000 || ++calls != damaged_at)
        return;
    struct stat status;
    require(stat(path, &status) == 0 && truncate(path, 0) == 0 &&
                truncate(path, status.st_size) == 0,
            "cannot damage the file");
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    size_t bytes = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        bytes += message->msg_iov[i].iov_len;
    damage_when_due(bytes);
    return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    damage_when_due(len);
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

// ---- the cases ----------------------------------------------------------------------------------

// Returns the number of the record with large value number `i`.
static size_t large(unsigned i)
{
    return 20 + (size_t)i * HAMMER_LARGE;
}

// Sends GETs of large values in one pipeline, and reads until the connection closes. Damages the
// file before call number `at`. Returns the number of calls.
static unsigned run_case(unsigned at, bool *closed, struct buf *got, struct buf *wanted)
{
    struct error error = {""};
    static const struct dataset_settings settings = {.index = DATASET_INDEX_NONE};
    path = test_file("served.data", buf_span(&file.text));
    struct dataset *d = dataset_open(path, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    service_group_init(&group, &test_settings, d, command_groups);
    pairs.worker = worker_new(pairs.loop, &group, &error);
    require(pairs.worker != NULL, "%s", error.text);
    struct client c = client_connect(&pairs);
    struct buf request = {0};
    for (unsigned i = 0; i < ASKED; i++) {
        struct span value = held_value(&file, large(i));
        buf_printf(&request, "GET %s\r\n", file.records[large(i)].key);
        buf_printf(wanted, "$%zu\r\n", value.len);
        buf_append(wanted, value);
        buf_append_text(wanted, "\r\n");
    }
    buf_append(&request, span_of("", 1));
    calls = 0;
    damaged_at = at;
    client_send(&c, request.ptr);
    *closed = false;
    for (unsigned i = 0; i < TURNS && !*closed; i++) {
        pairs_turn(&pairs, 1);
        *closed = !client_receive(&c, got);
    }
    damaged_at = 0;
    unsigned taken = calls;
    close(c.fd);
    pairs_turn(&pairs, 3);
    worker_free(pairs.worker);
    dataset_close(d);
    buf_release(&request);
    return taken;
}

// Returns the number of complete replies, and whether all of those are right.
static unsigned complete_replies(struct span got, struct span wanted, bool *right)
{
    unsigned whole = 0;
    size_t end = 0;
    *right = true;
    for (unsigned i = 0; i < ASKED; i++) {
        size_t begin = end;
        size_t value = held_value(&file, large(i)).len;
        end = begin + (size_t)snprintf(NULL, 0, "$%zu\r\n", value) + value + 2;
        if (got.len < end)
            break;
        whole++;
        *right = *right && memcmp(got.ptr + begin, wanted.ptr + begin, end - begin) == 0;
    }
    return whole;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // as the server does
    mapping_catch_faults();
    held_make(&file, RECORDS, true);
    pairs.loop = ev_default_loop(EVFLAG_AUTO);
    unsigned all = MANY_CALLS;
    for (unsigned at = 0; at <= all; at++) {
        struct buf got = {0}, wanted = {0};
        bool closed, right;
        unsigned taken = run_case(at, &closed, &got, &wanted);
        unsigned whole = complete_replies(buf_span(&got), buf_span(&wanted), &right);
        ok(right, "call %u: %u complete replies, all right", at, whole);
        if (at == 0) {
            ok(!closed && whole == ASKED, "without damage: all replies are complete, in %u calls",
               taken);
            all = taken;
        } else {
            // The last call may send only bytes that the server has copied.
            ok(closed || whole == ASKED,
               "call %u: the connection closes if a reply is not complete", at);
        }
        buf_release(&got);
        buf_release(&wanted);
    }
    ev_loop_destroy(pairs.loop);
    held_release(&file);
    return done_testing();
}
