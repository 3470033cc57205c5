// Each thread of the hammer sends a pipeline on all its connections, and then reads all replies. So
// the server always has requests of many clients to answer.
#include "faults/support/hammer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/tap.h"

enum {
    PIPELINE = 6,  // requests of a connection
    MGET_KEYS = 8, // keys of an MGET
    TURNS = 20,    // pipelines of each thread that hammer_await waits for
};

// ---- the file -----------------------------------------------------------------------------------

void held_make(struct held_file *f, size_t count, bool last_newline)
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

void held_release(struct held_file *f)
{
    free(f->records);
    buf_release(&f->text);
}

struct span held_value(const struct held_file *f, size_t i)
{
    return span_of(f->text.ptr + f->records[i].value, f->records[i].end - f->records[i].value);
}

bool held_is(const struct held_file *f, size_t i, const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING &&
           span_equal(span_of(reply->str, reply->len), held_value(f, i));
}

bool is_refusal(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR data unreadable", 19) == 0;
}

// ---- the clients --------------------------------------------------------------------------------

enum hammer_command {
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
    enum hammer_command command;
    size_t keys[MGET_KEYS];
};

struct hammer_client {
    redisContext *context;
    struct hammer_request requests[PIPELINE];
};

static void hammer_send(const struct hammer *h, struct hammer_client *c, uint64_t *state)
{
    const char *words[MGET_KEYS + 1] = {"MGET"};
    int done = 0;
    for (unsigned i = 0; i < PIPELINE; i++) {
        struct hammer_request *r = &c->requests[i];
        uint64_t chance = splitmix64(state) % 100;
        r->command = chance < 50   ? ASK_GET
                     : chance < 75 ? ASK_MGET
                                   : (enum hammer_command)(chance % ASKS);
        for (unsigned k = 0; k < MGET_KEYS; k++) {
            r->keys[k] = splitmix64(state) % h->file->count;
            words[k + 1] = h->file->records[r->keys[k]].key;
        }
        switch (r->command) {
        case ASK_GET: redisAppendCommand(c->context, "GET %s", words[1]); break;
        case ASK_MGET: redisAppendCommandArgv(c->context, MGET_KEYS + 1, words, NULL); break;
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

static bool hammer_is_right(const struct held_file *f, const struct hammer_request *r,
                            const redisReply *reply)
{
    struct span value = held_value(f, r->keys[0]);
    bool right = true;
    switch (r->command) {
    case ASK_GET: return held_is(f, r->keys[0], reply);
    case ASK_MGET:
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != MGET_KEYS)
            return false;
        for (unsigned k = 0; k < MGET_KEYS; k++)
            right = right && held_is(f, r->keys[k], reply->element[k]);
        return right;
    case ASK_EXISTS: return reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    case ASK_STRLEN:
        return reply->type == REDIS_REPLY_INTEGER && (size_t)reply->integer == value.len;
    case ASK_RANGE:
        return reply->type == REDIS_REPLY_STRING &&
               span_equal(span_of(reply->str, reply->len), span_of(value.ptr + 1, value.len - 1));
    case ASK_ABSENT: return reply->type == REDIS_REPLY_NIL;
    default: // SCAN: the number of keys is known, not which ones
        return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
               reply->element[1]->elements == (f->count < 1024 ? f->count : 1024);
    }
}

// Reads the replies to one pipeline. Returns false when the connection has been closed.
static bool hammer_receive(struct hammer *h, struct hammer_client *c)
{
    for (unsigned i = 0; i < PIPELINE; i++) {
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
                diag("wrong reply: request %d for %s: reply of type %d, %zu bytes: %.60s",
                     (int)c->requests[i].command, h->file->records[c->requests[i].keys[0]].key,
                     reply->type, reply->len, reply->str != NULL ? reply->str : "");
        }
        freeReplyObject(reply);
    }
    return true;
}

static void *hammer_run(void *argument)
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
            if (hammer_receive(h, &clients[i]))
                continue;
            if (clients[i].context->err == REDIS_ERR_IO && errno == EAGAIN) {
                atomic_fetch_add(&h->wrong, 1);
                diag("no reply in time: %s", clients[i].context->errstr);
            }
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

void hammer_await(const struct hammer *h)
{
    unsigned long turns = atomic_load(&h->turns);
    while (atomic_load(&h->turns) < turns + (unsigned long)TURNS * HAMMER_THREADS)
        poll(NULL, 0, 1);
}

void hammer_start(struct hammer *h, int port, const struct held_file *file)
{
    *h = (struct hammer){.port = port, .file = file, .shown = ATOMIC_FLAG_INIT};
    for (unsigned i = 0; i < HAMMER_THREADS; i++)
        require(pthread_create(&h->threads[i], NULL, hammer_run, h) == 0, "no thread");
    hammer_await(h);
}

void hammer_stop(struct hammer *h)
{
    atomic_store(&h->stop, true);
    for (unsigned i = 0; i < HAMMER_THREADS; i++)
        pthread_join(h->threads[i], NULL);
}

// ---- single questions ---------------------------------------------------------------------------

redisContext *hammer_connect(int port)
{
    struct timeval patience = {20, 0};
    redisContext *c = redisConnect("127.0.0.1", port);
    require(c != NULL && c->err == 0, "cannot connect");
    redisSetTimeout(c, patience);
    return c;
}

void hammer_check(int port, const struct held_file *f, size_t sound, const char *name)
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
    is_number((int64_t)exact, (int64_t)sounds, "%s: the readable keys are served", name);
    is_number((int64_t)refused, (int64_t)(f->count - sounds), "%s: the lost keys answer an error",
              name);
    redisFree(c);
}

bool hammer_info(int port, const char *section, const char *line)
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
