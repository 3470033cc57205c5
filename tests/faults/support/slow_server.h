// A server in the process of a test, whose data file is on a slow disk (slow_disk.h) and does not
// fit into memory. Every byte of its file is known.
#ifndef STELE_TESTS_FAULTS_SLOW_SERVER_H
#define STELE_TESTS_FAULTS_SLOW_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct server;

enum {
    SLOW_LINE = 128, // bytes of a line
    SLOW_LINES = 4096,
    // Line `i` begins at offset i * SLOW_LINE. The lines up to this one are hot, all others cold.
    SLOW_HOT = 512,
    SLOW_LARGE = 7, // lines after these, with longer values: keys SLOW_LINES and the next
};

// Writes the data file. The values begin with the letter `edition`. Returns its path.
const char *slow_file(char edition);

// Returns its path.
const char *slow_path(void);

// Writes the key number `i` as text; the keys are in order. Valid until the fourth call after it.
const char *slow_key(unsigned i);

// Appends the value of the key number `i`.
void slow_value(struct buf *to, char edition, unsigned i);

// Starts a server with one loop on the data file of edition 'a'. `readers`: number of reader
// threads. With `fits`, the data fits into memory, so no lookup is parked. Otherwise the lines that
// are not hot are cold. Then a client has read the first line, so that its page is known.
void slow_server_start(unsigned readers, bool fits);

// Stops it with SHUTDOWN, and returns when all its threads have ended.
void slow_server_stop(void);

// Waits until all threads of the server have ended, and frees it.
void slow_server_join(void);

int slow_server_port(void);

// ---- clients ------------------------------------------------------------------------------------

// Connects to the server.
int slow_client(void);

// Sends requests as text: newlines separate requests, single spaces separate words.
void slow_send(int fd, const char *requests);

// Reads one reply and appends its bytes. Ends the test when none comes.
void slow_reply(int fd, struct buf *to);

// Reads `count` replies; the text is valid until the next call.
struct span slow_replies(int fd, unsigned count);

// Whether the client has no byte to read.
bool slow_is_silent(int fd);

// A test point: a hot client is answered, whatever others wait for.
void slow_hot_is_served(int fd, const char *name);

// Returns the number of a line of INFO.
long slow_info(int fd, const char *section, const char *field);

#endif
