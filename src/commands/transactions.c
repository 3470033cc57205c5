// The transactions group: MULTI, EXEC, DISCARD, WATCH and UNWATCH. A key changes only when the
// dataset is replaced. If a watched key has changed, EXEC runs nothing and replies with a null
// (watch.h).
#include <stdlib.h>

#include "commands/groups.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/admit.h"
#include "serve/session.h"
#include "serve/transaction.h"
#include "serve/watch.h"

// Bytes of a watched value that are read in one unit of work. The number assumes that they come
// from memory, not from the processor's caches.
enum { BYTES_PER_WORK = 1024 };

static enum command_result multi_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->transaction != NULL) {
        resp_error(&s->reply, "ERR MULTI calls can not be nested");
        return COMMAND_DONE;
    }
    s->transaction = transaction_new();
    s->oom |= s->transaction == NULL;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// ---- WATCH --------------------------------------------------------------------------------------

// Updates `note` with the present length and checksum of its key's value. The key is argument `i`,
// if the command has keys. Returns false if the turn is over first, or the command is parked.
static bool read_key(struct session *s, const struct resp_request *r, uint32_t i,
                     struct watch_note *note)
{
    bool done;
    if (!s->watch->value.begun && session_bring(s, r, i, note->id) == LOOKUP_GOES_ON)
        return false;
    do {
        uint64_t bytes;
        if (!session_may_go_on(s))
            return false;
        done = watch_read(s->watch, session_dataset(s), note, &bytes);
        session_charge(s, bytes / BYTES_PER_WORK);
    } while (!done);
    return true;
}

// Notes the keys of the request, in as many turns as it takes to read their values.
// `s->request.cursor` is the index of the next key.
static enum command_result note_keys(struct session *s, const struct resp_request *r)
{
    struct watch *w = s->watch;
    s->integrity.reads = true;
    for (s->request.cursor = s->request.cursor > 0 ? s->request.cursor : 1;
         s->request.cursor < r->argc; s->request.cursor++) {
        struct span key = resp_arg(r, (uint32_t)s->request.cursor);
        struct watch_note note = {.len = WATCH_ABSENT};
        // A word needs no note in three cases. It is no key, so it never exists. Or the
        // watch already has more keys than it can note (`overflowed`), so EXEC assumes a change.
        // Or the key is noted already, and its first note counts.
        if (!key_rules_read(s->service->keys, key, &note.id) || w->overflowed ||
            (!w->value.begun && watch_is_noted(w, note.id))) {
            if (!session_may_go_on(s))
                return COMMAND_AGAIN;
            continue;
        }
        if (watch_is_full(w))
            continue;
        if (!read_key(s, r, (uint32_t)s->request.cursor, &note))
            return COMMAND_AGAIN;
        s->oom |= !watch_add(w, &note);
    }
    return COMMAND_DONE;
}

static enum command_result watch_command(struct session *s, const struct resp_request *r)
{
    if (s->transaction != NULL) {
        resp_error(&s->reply, "ERR WATCH inside MULTI is not allowed");
        return COMMAND_DONE;
    }
    if (s->watch == NULL) {
        s->watch = watch_new(session_snapshot(s)->number, dataset_damage(session_dataset(s)));
        s->oom |= s->watch == NULL;
    }
    if (s->watch != NULL && note_keys(s, r) == COMMAND_AGAIN)
        return COMMAND_AGAIN;
    if (s->watched == 0)
        counter_add(&s->service->stats.watching_clients, 1);
    s->watched += r->argc - 1;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

static enum command_result unwatch_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    session_unwatch(s);
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// Returns whether the key or its value cannot be read, because a file is damaged.
static bool is_unreadable(struct session *s, struct uuid id)
{
    struct span value = {NULL, 0};
    if (!s->integrity.careful)
        return false;
    bool unreadable = dataset_presence(session_dataset(s), id, &value) == DATASET_UNREADABLE;
    session_charge(s, value.len / BYTES_PER_WORK);
    return unreadable;
}

// Compares the watched keys with their notes. Sets `*changed` if a key has changed, or may have,
// and returns COMMAND_DONE. Returns COMMAND_AGAIN if the turn is over first. It writes no reply.
// `s->request.cursor` is the number of keys found unchanged so far.
static enum command_result compare_keys(struct session *s, const struct resp_request *r,
                                        bool *changed)
{
    struct watch *w = s->watch;
    *changed = false;
    if (w == NULL || (session_snapshot(s)->number == w->snapshot &&
                      dataset_damage(session_dataset(s)) == w->damage))
        return COMMAND_DONE;
    *changed = w->overflowed;
    s->integrity.reads = true;
    for (; !*changed && s->request.cursor < watch_count(w); s->request.cursor++) {
        struct watch_note then = watch_note_at(w, s->request.cursor);
        struct watch_note now = then;
        if (!w->value.checked && is_unreadable(s, then.id)) {
            *changed = true;
            break;
        }
        w->value.checked = true;
        if (!read_key(s, r, 0, &now))
            return COMMAND_AGAIN;
        *changed = now.len != then.len || now.sum != then.sum;
    }
    return COMMAND_DONE;
}

// ---- EXEC ---------------------------------------------------------------------------------------

// Writes the length of EXEC's reply. From now on the queued requests take the place of the input.
static void begin_exec(struct session *s)
{
    struct transaction *t = s->transaction;
    resp_array(&s->reply, t->count);
    t->left = t->count;
    t->executing = t->count > 0;
    if (t->executing)
        session_reread_rest(s);
    else
        session_end_transaction(s);
}

static enum command_result exec_command(struct session *s, const struct resp_request *r)
{
    struct transaction *t = s->transaction;
    bool changed;
    if (t == NULL) {
        resp_error(&s->reply, "ERR EXEC without MULTI");
    } else if (t->aborted) {
        session_end_transaction(s);
        resp_error(&s->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if (!admit_exec(s)) {
        return COMMAND_DONE;
    } else if (compare_keys(s, r, &changed) == COMMAND_AGAIN) {
        return COMMAND_AGAIN;
    } else if (changed) {
        session_end_transaction(s);
        resp_null_array(&s->reply);
    } else {
        begin_exec(s);
    }
    return COMMAND_DONE;
}

static enum command_result discard_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->transaction == NULL) {
        resp_error(&s->reply, "ERR DISCARD without MULTI");
    } else {
        session_end_transaction(s);
        resp_status(&s->reply, "OK");
    }
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

#define TRANSACTION (NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)

const struct command transactions_commands[] = {
    {"discard", 1, TRANSACTION | AT_ONCE, NO_KEYS, GROUP_TRANSACTIONS, "2.0.0", 0, discard_command,
     "Discards the commands that were queued since MULTI",
     "O(N) where N is the number of commands"},
    {"exec", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | AT_ONCE | EXECUTES, NO_KEYS,
     GROUP_TRANSACTIONS, "1.2.0", 0, exec_command, "Runs the commands that were queued since MULTI",
     "The sum of the complexities of the queued commands",
     .deviation =
         "Other clients are served between the commands. No client can notice that, as all "
         "commands of a transaction read the same dataset."},
    {"multi", 1, TRANSACTION | AT_ONCE, NO_KEYS, GROUP_TRANSACTIONS, "1.2.0", 0, multi_command,
     "Starts a transaction: the commands up to EXEC are queued", "O(1)",
     .deviation = "A client that queues more than 64 MiB is closed."},
    {"unwatch", 1, TRANSACTION, NO_KEYS, GROUP_TRANSACTIONS, "2.2.0", 0, unwatch_command,
     "Stops watching all keys", "O(1)"},
    {"watch", -2, TRANSACTION | AT_ONCE, ALL_KEYS, "RO", GROUP_TRANSACTIONS, "2.2.0", 0,
     watch_command, "Watches keys: the next EXEC runs nothing if one of them has changed",
     "O(N) where N is the total length of the values of these keys", NULL, argument_keys,
     .deviation = "A key changes only when the dataset is replaced, and only if its value at "
                  "`EXEC` differs from its value at `WATCH`. For a client that watches more than "
                  "65,536 keys, every replacement is a change."},
    {0},
};
