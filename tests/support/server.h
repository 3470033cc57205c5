// A real server for a test: started on a port the system chooses, waited for by its ready line,
// stopped by the one who started it.
#ifndef STELE_TESTS_SERVER_H
#define STELE_TESTS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"

// "$STELE_BUILD/stele-server" and "$STELE_BUILD/stele": the flavour under test.
const char *server_program(void);
const char *tool_program(void);

struct server_process {
    pid_t pid;
    int port;           // 0 when it serves no TCP
    char ready[512];    // its ready line, without the newline
    char log_path[128]; // its standard error, in the test's own folder
};

// Starts it on `data_file` with `--port 0`, `--threads $STELE_TEST_THREADS` (the server's default
// when that is not set) and the further words of `options` (a NULL-terminated list, or NULL), which
// may say otherwise, and waits for the ready line. Ends the test when it does not come.
struct server_process server_start(const char *data_file, const char *const *options);

// The same with another program that takes the same words.
struct server_process server_start_program(const char *program, const char *data_file,
                                           const char *const *options);

// SIGTERM, then waits; the exit code, or 1000 + the signal that ended it.
int server_stop(struct server_process *s);

// Returns when the server has handled all that had been sent to it, in all its loops, as far as it
// can: all its threads sleep. Ends the test when they do not come to.
void settle_server(const struct server_process *s);

// Runs a program to its end (`argv` NULL-terminated) with what it prints in `*out` and `*err`,
// which the caller releases; the exit code, or 1000 + the signal.
int run_program(const char *const *argv, struct buf *out, struct buf *err);

// A connected TCP socket on 127.0.0.1, or a unix one; blocking, with a 20 s timeout on reads.
int connect_tcp(int port);
int connect_unix(const char *path);

// The same over TCP for a socket that has room for little, so that the server's writes are cut
// anywhere.
int connect_narrow(int port);

// Sends all of `bytes`. False when the peer is gone.
bool send_all(int fd, struct span bytes);

// Receives `count` bytes behind what `to` holds. False when the peer closes or the timeout is over.
bool receive(int fd, struct buf *to, size_t count);

// Receives until the peer closes. False on a timeout or error other than a reset.
bool receive_to_end(int fd, struct buf *to);

// A folder of the test's own, removed with its content when the test ends.
const char *test_folder(void);

// "FOLDER/name" in memory that stays; several may be had.
const char *test_path(const char *name);

// Writes a file there and returns its path.
const char *test_file(const char *name, struct span content);

// A field of /proc/PID/status or smaps_rollup in bytes ("RssAnon", "VmRSS"); -1 when absent.
long long process_field(pid_t pid, const char *file, const char *field);

#endif
