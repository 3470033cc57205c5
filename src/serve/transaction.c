// The transactions group. No key ever changes by itself; a watched one may when the dataset is
// replaced, and then EXEC answers that it did not run (watch.h).
#include "serve/transaction.h"

#include <assert.h>
#include <stdlib.h>

#include "base/number.h"
#include "serve/handlers.h"
#include "serve/watch.h"

static void unwatch(struct session *s)
{
    if (s->watched > 0)
        counter_take(&s->service->stats.watching_clients, 1);
    s->watched = 0;
    watch_end(s);
}

void transaction_end(struct session *s)
{
    unwatch(s);
    if (s->transaction == NULL)
        return;
    buf_release(&s->transaction->requests);
    free(s->transaction);
    s->transaction = NULL;
}

static void append_count(struct buf *b, char kind, size_t count)
{
    char text[1 + NUMBER_TEXT_MAX + 2];
    size_t len = 1 + number_format(text + 1, count);
    text[0] = kind;
    text[len++] = '\r';
    text[len++] = '\n';
    buf_append(b, span_of(text, len));
}

void transaction_queue(struct session *s, const struct resp_request *r)
{
    struct transaction *t = s->transaction;
    struct buf *b = &t->requests;
    resp_status(&s->reply, "QUEUED");
    if (t->spoiled) // it will never run
        return;
    append_count(b, '*', r->argc);
    for (uint32_t i = 0; i < r->argc; i++) {
        struct span arg = resp_arg(r, i);
        append_count(b, '$', arg.len);
        buf_append(b, arg);
        buf_append(b, span_of("\r\n", 2));
    }
    t->count++;
    s->oom |= b->oom;
    // As much as a single request may take: Redis counts both against client-query-buffer-limit.
    if (b->len > SESSION_INPUT_MAX) {
        counter_add(&s->service->stats.input_limit_hits, 1);
        session_kill(s);
    }
}

void transaction_advance(struct session *s, size_t done)
{
    struct transaction *t = s->transaction;
    if (done == 0)
        return;
    t->at += done;
    if (--t->left > 0)
        return;
    assert(t->at == t->requests.len);
    transaction_end(s);
}

enum command_result multi_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->transaction != NULL) {
        resp_error(&s->reply, "ERR MULTI calls can not be nested");
        return COMMAND_DONE;
    }
    s->transaction = calloc(1, sizeof *s->transaction);
    s->oom |= s->transaction == NULL;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

static void begin_exec(struct session *s)
{
    struct transaction *t = s->transaction;
    resp_array(&s->reply, t->count);
    t->left = t->count;
    t->executing = t->count > 0;
    if (t->executing)
        session_turn_aside(s);
    else
        transaction_end(s);
}

enum command_result exec_command(struct session *s, const struct resp_request *r)
{
    struct transaction *t = s->transaction;
    bool changed;
    (void)r;
    if (t == NULL) {
        resp_error(&s->reply, "ERR EXEC without MULTI");
    } else if (t->spoiled) {
        transaction_end(s);
        resp_error(&s->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if (watch_compare(s, &changed) == COMMAND_AGAIN) {
        return COMMAND_AGAIN;
    } else if (changed) {
        transaction_end(s);
        resp_null_array(&s->reply);
    } else {
        begin_exec(s);
    }
    return COMMAND_DONE;
}

enum command_result discard_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->transaction == NULL) {
        resp_error(&s->reply, "ERR DISCARD without MULTI");
    } else {
        transaction_end(s);
        resp_status(&s->reply, "OK");
    }
    return COMMAND_DONE;
}

enum command_result watch_command(struct session *s, const struct resp_request *r)
{
    if (s->transaction != NULL) {
        resp_error(&s->reply, "ERR WATCH inside MULTI is not allowed");
        return COMMAND_DONE;
    }
    if (watch_note(s, r) == COMMAND_AGAIN)
        return COMMAND_AGAIN;
    if (s->watched == 0)
        counter_add(&s->service->stats.watching_clients, 1);
    s->watched += r->argc - 1;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

enum command_result unwatch_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    unwatch(s);
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}
