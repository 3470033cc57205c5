// A data file of which every byte is known, and many clients of a server. They get its keys without
// a pause, while a test damages the file. Each reply must be what the file held or the error of
// unreadable data, or the connection closes. Everything else is counted as wrong.
#ifndef STELE_TESTS_FAULTS_HAMMER_H
#define STELE_TESTS_FAULTS_HAMMER_H

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "data/uuid_text.h"

enum {
    HAMMER_THREADS = 5,
    HAMMER_CLIENTS = 10, // connections of each thread
    HAMMER_LARGE = 40,   // every 40th value, from the 20th on, is large
};

// ---- the file -----------------------------------------------------------------------------------

// Where one record is in the file.
struct held {
    char key[UUID_TEXT_LEN + 1];
    size_t line;  // offset of the line
    size_t value; // offset of the value
    size_t end;   // offset of the newline
};

struct held_file {
    struct held *records;
    size_t count;
    struct buf text; // the whole file
};

// Makes the text of a file of `count` random keys. Large values (HAMMER_LARGE) are sent from the
// mapping without a copy. The last line ends with a newline if `last_newline` says so.
void held_make(struct held_file *f, size_t count, bool last_newline);

void held_release(struct held_file *f);

// The value of record `i`; it lies in `f->text`.
struct span held_value(const struct held_file *f, size_t i);

// Whether the reply is the value of record `i`.
bool held_is(const struct held_file *f, size_t i, const redisReply *reply);

// Whether the reply is the error of unreadable data.
bool is_refusal(const redisReply *reply);

// ---- the clients --------------------------------------------------------------------------------

struct hammer {
    int port;
    const struct held_file *file;
    pthread_t threads[HAMMER_THREADS];
    atomic_bool stop;
    // Number of turns that all threads have finished. In one turn, a thread sends a pipeline over
    // each of its connections and reads the replies.
    atomic_ulong turns;
    atomic_ulong exact;   // replies that are what the file held
    atomic_ulong refused; // replies that are the error of unreadable data
    atomic_ulong closed;  // connections that the server closed
    atomic_ulong wrong;   // all other replies, and replies that did not come
    atomic_flag shown;    // set when the first wrong reply has been printed
};

// Starts the clients and returns when each thread has been answered many times. `*file` must not be
// released or changed before hammer_stop. The file on the disk may be changed.
void hammer_start(struct hammer *h, int port, const struct held_file *file);

// Returns when the clients have been answered many times more.
void hammer_await(const struct hammer *h);

// Ends the clients; the counts are then final.
void hammer_stop(struct hammer *h);

// ---- single questions ---------------------------------------------------------------------------

// Connects to the server, or ends the test.
redisContext *hammer_connect(int port);

// Asks for every key, as two checks of the test `name`: keys whose line ends before the offset
// `sound` must have their value, all others the error of unreadable data.
void hammer_check(int port, const struct held_file *f, size_t sound, const char *name);

// Whether the section of INFO contains `line`; prints a diagnosis if not.
bool hammer_info(int port, const char *section, const char *line);

#endif
