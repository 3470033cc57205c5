// Servers and other programs that a test runs, connections to them, and files of the test.
//
// A server listens on a port that the system chooses. The test waits for its ready line, and stops
// it at the end.
#ifndef STELE_TESTS_SERVER_H
#define STELE_TESTS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"

// The paths "$STELE_BUILD/stele-server" and "$STELE_BUILD/stele". STELE_BUILD names the flavour
// under test; the default is build/release.
const char *server_program(void);
const char *tool_program(void);

struct server_process {
    pid_t pid;
    int port;           // TCP port; 0 when the server has none
    char ready[512];    // ready line, without its newline
    char log_path[128]; // file in the test's folder that receives the standard error
};

// Starts the server on `data_file` and waits for its ready line. Its options are `--port 0`,
// `--threads $STELE_TEST_THREADS` if that variable is set, and then the words of `options`, a
// NULL-terminated list, or NULL. Ends the test when there is no ready line.
struct server_process server_start(const char *data_file, const char *const *options);

// As server_start, with another program that accepts the same options.
struct server_process server_start_program(const char *program, const char *data_file,
                                           const char *const *options);

// Sends SIGTERM and waits for the end of the server. Returns its exit code, or 1000 plus the number
// of the signal that killed it.
int server_stop(struct server_process *s);

// Waits until all threads of the server sleep. Then the server has handled everything that was sent
// to it, as far as it can. Ends the test when that does not happen.
void server_await_idle(const struct server_process *s);

// Runs a program to its end. `argv` is NULL-terminated. Appends what the program prints to `*out`
// and `*err`, which the caller releases. Returns its exit code, or 1000 plus the number of the
// signal that killed it.
int run_program(const char *const *argv, struct buf *out, struct buf *err);

// These return a socket that is connected to 127.0.0.1 or to a unix socket. It is blocking, and
// reads have a timeout of 20 s.
int connect_tcp(int port);
int connect_unix(const char *path);

// As connect_tcp, with a socket that has a small receive buffer. So the server can often write only
// a part of its output, which may end at any byte.
int connect_narrow(int port);

// Sends all of `bytes`. Returns false when the peer is gone.
bool send_all(int fd, struct span bytes);

// Receives `count` bytes and appends them to `to`. Returns false when the peer closes, or at
// the timeout.
bool receive(int fd, struct buf *to, size_t count);

// Receives until the peer closes or resets the connection. Returns false at the timeout and on
// other errors.
bool receive_to_end(int fd, struct buf *to);

// Returns the test's own folder. It is removed with its content when the test ends.
const char *test_folder(void);

// Returns "FOLDER/name", a path in the test's folder. The text is valid until the test ends.
const char *test_path(const char *name);

// Writes a file in the test's folder and returns its path.
const char *test_file(const char *name, struct span content);

// Returns a field of /proc/PID/status or /proc/PID/smaps_rollup, such as "RssAnon", in bytes.
// Returns -1 when it is missing.
long long process_field(pid_t pid, const char *file, const char *field);

#endif
