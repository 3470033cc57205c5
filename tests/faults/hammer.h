// A data file of which each byte is known, and many clients that ask a server for it all the time,
// whatever happens to the file: each reply is what the file held, or an error, or the connection
// closes; anything else is wrong.
#ifndef STELE_TESTS_FAULTS_HAMMER_H
#define STELE_TESTS_FAULTS_HAMMER_H

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "data/uuid_text.h"
#include "support/server.h"
#include "support/tap.h"

enum {
    HAMMER_THREADS = 5,
    HAMMER_CLIENTS = 10, // each
    HAMMER_PIPELINE = 6,
    HAMMER_KEYS = 8, // of an MGET
    HAMMER_LARGE = 40,
    HAMMER_TURNS = 20, // of each thread before and behind a fault
};

// ---- the file -----------------------------------------------------------------------------------

struct held {
    char key[UUID_TEXT_LEN + 1];
    size_t line; // where it begins
    size_t value;
    size_t end; // where the newline is
};

struct held_file {
    struct held *records;
    size_t count;
    struct buf text;
};

// Every 40th value is large, so that it leaves from the mapping.
static inline void held_make(struct held_file *f, size_t count, bool last_newline)
{
    uint64_t state = count;
    f->records = calloc(count, sizeof *f->records);
    f->count = count;
    f->text = (struct buf){0};
    for (size_t i = 0; i < count; i++) {
        struct held *r = &f->records[i];
        struct uuid id = {splitmix64(&state), splitmix64(&state)};
        uuid_format(id, r->key);
        r->line = f->text.len;
        buf_append(&f->text, span_of(r->key, UUID_TEXT_LEN));
        buf_append_text(&f->text, " ");
        r->value = f->text.len;
        size_t len = i % HAMMER_LARGE == 20 ? 16384 + splitmix64(&state) % 100000
                                            : 1 + splitmix64(&state) % 200;
        while (f->text.len < r->value + len)
            buf_printf(&f->text, "%zu/%zu ", i, f->text.len);
        f->text.len = r->value + len;
        r->end = f->text.len;
        if (i + 1 < count || last_newline)
            buf_append_text(&f->text, "\n");
    }
    require(!f->text.oom && f->records != NULL, "no memory");
}

static inline void held_release(struct held_file *f)
{
    free(f->records);
    buf_release(&f->text);
}

static inline struct span held_value(const struct held_file *f, size_t i)
{
    return span_of(f->text.ptr + f->records[i].value, f->records[i].end - f->records[i].value);
}

static inline bool held_is(const struct held_file *f, size_t i, const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING &&
           span_equal(span_of(reply->str, reply->len), held_value(f, i));
}

static inline bool is_refusal(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR data unreadable", 19) == 0;
}

// ---- the clients --------------------------------------------------------------------------------

struct hammer {
    int port;
    const struct held_file *file;
    pthread_t threads[HAMMER_THREADS];
    atomic_bool stop;
    atomic_ulong turns;
    atomic_ulong exact;
    atomic_ulong refused;
    atomic_ulong closed;
    atomic_ulong wrong;
    atomic_flag shown;
};

enum hammer_ask {
    ASK_GET,
    ASK_MGET,
    ASK_EXISTS,
    ASK_STRLEN,
    ASK_RANGE,
    ASK_ABSENT,
    ASK_SCAN,
    ASKS
};

struct hammer_request {
    enum hammer_ask ask;
    size_t keys[HAMMER_KEYS];
};

struct hammer_client {
    redisContext *context;
    struct hammer_request requests[HAMMER_PIPELINE];
};

static inline void hammer_send(const struct hammer *h, struct hammer_client *c, uint64_t *state)
{
    const char *words[HAMMER_KEYS + 1] = {"MGET"};
    int done = 0;
    for (unsigned i = 0; i < HAMMER_PIPELINE; i++) {
        struct hammer_request *r = &c->requests[i];
        uint64_t chance = splitmix64(state) % 100;
        r->ask = chance < 50 ? ASK_GET : chance < 75 ? ASK_MGET : (enum hammer_ask)(chance % ASKS);
        for (unsigned k = 0; k < HAMMER_KEYS; k++) {
            r->keys[k] = splitmix64(state) % h->file->count;
            words[k + 1] = h->file->records[r->keys[k]].key;
        }
        switch (r->ask) {
        case ASK_GET: redisAppendCommand(c->context, "GET %s", words[1]); break;
        case ASK_MGET: redisAppendCommandArgv(c->context, HAMMER_KEYS + 1, words, NULL); break;
        case ASK_EXISTS: redisAppendCommand(c->context, "EXISTS %s", words[1]); break;
        case ASK_STRLEN: redisAppendCommand(c->context, "STRLEN %s", words[1]); break;
        case ASK_RANGE: redisAppendCommand(c->context, "GETRANGE %s 1 -1", words[1]); break;
        case ASK_ABSENT:
            redisAppendCommand(c->context, "GET 00000000-0000-4000-8000-%012llx",
                               (unsigned long long)splitmix64(state) >> 16);
            break;
        default: redisAppendCommand(c->context, "SCAN 0 COUNT 5000"); break;
        }
    }
    while (done == 0 && redisBufferWrite(c->context, &done) == REDIS_OK)
        ;
}

static inline bool hammer_is_right(const struct held_file *f, const struct hammer_request *r,
                                   const redisReply *reply)
{
    struct span value = held_value(f, r->keys[0]);
    bool right = true;
    switch (r->ask) {
    case ASK_GET: return held_is(f, r->keys[0], reply);
    case ASK_MGET:
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != HAMMER_KEYS)
            return false;
        for (unsigned k = 0; k < HAMMER_KEYS; k++)
            right = right && held_is(f, r->keys[k], reply->element[k]);
        return right;
    case ASK_EXISTS: return reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    case ASK_STRLEN:
        return reply->type == REDIS_REPLY_INTEGER && (size_t)reply->integer == value.len;
    case ASK_RANGE:
        return reply->type == REDIS_REPLY_STRING &&
               span_equal(span_of(reply->str, reply->len), span_of(value.ptr + 1, value.len - 1));
    case ASK_ABSENT: return reply->type == REDIS_REPLY_NIL;
    default: // as many keys as a call finds, all of them known by their number alone
        return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
               reply->element[1]->elements == (f->count < 1024 ? f->count : 1024);
    }
}

// False when the connection has been closed.
static inline bool hammer_hear(struct hammer *h, struct hammer_client *c)
{
    for (unsigned i = 0; i < HAMMER_PIPELINE; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(c->context, (void **)&reply) != REDIS_OK)
            return false;
        if (hammer_is_right(h->file, &c->requests[i], reply)) {
            atomic_fetch_add(&h->exact, 1);
        } else if (is_refusal(reply)) {
            atomic_fetch_add(&h->refused, 1);
        } else {
            atomic_fetch_add(&h->wrong, 1);
            if (!atomic_flag_test_and_set(&h->shown))
                diag("wrong: request %d for %s: reply of type %d, %zu bytes: %.60s",
                     (int)c->requests[i].ask, h->file->records[c->requests[i].keys[0]].key,
                     reply->type, reply->len, reply->str != NULL ? reply->str : "");
        }
        freeReplyObject(reply);
    }
    return true;
}

static inline void *hammer_run(void *argument)
{
    struct hammer *h = argument;
    struct hammer_client clients[HAMMER_CLIENTS] = {0};
    struct timeval patience = {20, 0};
    uint64_t state = (uint64_t)(uintptr_t)&state;
    while (!atomic_load(&h->stop)) {
        for (unsigned i = 0; i < HAMMER_CLIENTS; i++) {
            if (clients[i].context == NULL) {
                clients[i].context = redisConnect("127.0.0.1", h->port);
                require(clients[i].context != NULL && clients[i].context->err == 0,
                        "the server is gone");
                redisSetTimeout(clients[i].context, patience);
            }
            hammer_send(h, &clients[i], &state);
        }
        for (unsigned i = 0; i < HAMMER_CLIENTS; i++) {
            if (hammer_hear(h, &clients[i]))
                continue;
            if (clients[i].context->err == REDIS_ERR_IO && errno == EAGAIN)
                atomic_fetch_add(&h->wrong, 1); // it hangs
            atomic_fetch_add(&h->closed, 1);
            redisFree(clients[i].context);
            clients[i].context = NULL;
        }
        atomic_fetch_add(&h->turns, 1);
    }
    for (unsigned i = 0; i < HAMMER_CLIENTS; i++)
        if (clients[i].context != NULL)
            redisFree(clients[i].context);
    return NULL;
}

// Returns when they are at it for some turns.
static inline void hammer_await(const struct hammer *h)
{
    unsigned long turns = atomic_load(&h->turns);
    while (atomic_load(&h->turns) < turns + (unsigned long)HAMMER_TURNS * HAMMER_THREADS)
        poll(NULL, 0, 1);
}

static inline void hammer_start(struct hammer *h, int port, const struct held_file *file)
{
    *h = (struct hammer){.port = port, .file = file, .shown = ATOMIC_FLAG_INIT};
    for (unsigned i = 0; i < HAMMER_THREADS; i++)
        require(pthread_create(&h->threads[i], NULL, hammer_run, h) == 0, "no thread");
    hammer_await(h);
}

static inline void hammer_stop(struct hammer *h)
{
    atomic_store(&h->stop, true);
    for (unsigned i = 0; i < HAMMER_THREADS; i++)
        pthread_join(h->threads[i], NULL);
}

// ---- one question -------------------------------------------------------------------------------

static inline redisContext *hammer_connect(int port)
{
    struct timeval patience = {20, 0};
    redisContext *c = redisConnect("127.0.0.1", port);
    require(c != NULL && c->err == 0, "cannot connect");
    redisSetTimeout(c, patience);
    return c;
}

// Asks for every key: those whose line lies wholly before `sound` must have their value, the others
// the error.
static inline void hammer_check(int port, const struct held_file *f, size_t sound, const char *name)
{
    redisContext *c = hammer_connect(port);
    size_t exact = 0, refused = 0, sounds = 0;
    for (size_t i = 0; i < f->count; i++) {
        redisReply *reply = redisCommand(c, "GET %s", f->records[i].key);
        require(reply != NULL, "%s: the connection is closed", name);
        bool whole = f->records[i].end < sound || (sound >= f->text.len && i + 1 == f->count);
        sounds += whole;
        exact += whole && held_is(f, i, reply);
        refused += !whole && is_refusal(reply);
        freeReplyObject(reply);
    }
    is_number((int64_t)exact, (int64_t)sounds, "%s: what is left is served", name);
    is_number((int64_t)refused, (int64_t)(f->count - sounds), "%s: what is lost is an error", name);
    redisFree(c);
}

// Whether a section of INFO has that line.
static inline bool hammer_info(int port, const char *section, const char *line)
{
    redisContext *c = hammer_connect(port);
    redisReply *reply = redisCommand(c, "INFO %s", section);
    bool has =
        reply != NULL && reply->type == REDIS_REPLY_STRING && strstr(reply->str, line) != NULL;
    if (!has && reply != NULL && reply->str != NULL)
        diag("INFO %s lacks %s", section, line);
    freeReplyObject(reply);
    redisFree(c);
    return has;
}

#endif
