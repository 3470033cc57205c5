// The conversation: parse the request at the front, check it in Redis's order, run its handler,
// until the input, the output's room or the turn's work is used up.
#include "serve/session.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/dataset.h"

enum {
    ARGS_FIRST = 16,
    ARGS_KEPT = 32, // an idle session keeps no more storage than this many arguments need
    BATCH_RUNS = 16,
    BYTES_PER_WORK = 4096, // of a value whose end is searched, in the time of a lookup
};

// The commands of one feed, as runs of equal ones, so that two readings of the clock serve all.
struct batch {
    uint64_t started_ns;
    uint64_t commands;
    unsigned runs;
    struct {
        unsigned number;
        uint64_t count;
    } run[BATCH_RUNS];
};

void session_init(struct session *s, struct service *service, bool local)
{
    *s = (struct session){
        .service = service,
        .reply = {.protocol = RESP2},
        .id = ++service->last_client_id,
        .local = local,
    };
}

void session_release(struct session *s)
{
    free(s->name);
    free(s->lib_name);
    free(s->lib_ver);
    free(s->args);
    buf_release(&s->pushes);
    *s = (struct session){0};
}

void session_set_text(struct session *s, char **field, struct span value)
{
    char *copy = NULL;
    if (value.len > 0) {
        copy = strndup(value.ptr, value.len);
        if (copy == NULL)
            s->oom = true;
    }
    free(*field);
    *field = copy;
}

bool session_may_go_on(struct session *s)
{
    if (s->work_left == 0 || !session_has_room(s))
        return false;
    s->work_left--;
    return true;
}

void session_charge(struct session *s, uint64_t units)
{
    s->work_left -= units < s->work_left ? (unsigned)units : s->work_left;
}

bool session_count_lookup(struct session *s, bool found)
{
    if (found)
        s->service->stats.keyspace_hits++;
    else
        s->service->stats.keyspace_misses++;
    return found;
}

bool session_lookup(struct session *s, struct span key, struct span *value)
{
    struct uuid id;
    bool found = key.len == UUID_TEXT_LEN && uuid_parse(key.ptr, &id) &&
                 dataset_get(s->service->dataset, id, value);
    if (found)
        session_charge(s, value->len / BYTES_PER_WORK);
    return session_count_lookup(s, found);
}

void session_lookup_many(struct session *s, const struct resp_request *r, uint32_t first,
                         uint32_t count, struct span *values)
{
    struct uuid ids[SESSION_GROUP] = {{0, 0}};
    struct span found[SESSION_GROUP];
    uint32_t places[SESSION_GROUP];
    uint32_t asked = 0;
    assert(count <= SESSION_GROUP);
    for (uint32_t i = 0; i < count; i++) {
        struct span key = resp_arg(r, first + i);
        values[i] = span_of(NULL, 0);
        if (key.len == UUID_TEXT_LEN && uuid_parse(key.ptr, &ids[asked]))
            places[asked++] = i;
    }
    dataset_get_many(s->service->dataset, ids, asked, found);
    for (uint32_t i = 0; i < asked; i++) {
        values[places[i]] = found[i];
        session_charge(s, found[i].len / BYTES_PER_WORK);
    }
}

bool session_has(struct session *s, struct span key)
{
    struct uuid id;
    return session_count_lookup(s, key.len == UUID_TEXT_LEN && uuid_parse(key.ptr, &id) &&
                                       dataset_has(s->service->dataset, id));
}

void session_push(struct session *s, struct span message)
{
    buf_append(&s->pushes, message);
}

bool session_oom(const struct session *s, const struct output *out)
{
    return s->oom || s->pushes.oom || output_oom(out);
}

static void batch_settle(struct batch *batch, struct stats *stats)
{
    if (batch->commands == 0)
        return;
    uint64_t now = clock_monotonic_ns();
    uint64_t each = (now - batch->started_ns) / batch->commands;
    for (unsigned i = 0; i < batch->runs; i++)
        stats->commands[batch->run[i].number].ns += each * batch->run[i].count;
    *batch = (struct batch){.started_ns = now};
}

// A turn of a long command counts as a command.
static void batch_count(struct batch *batch, struct stats *stats, unsigned number)
{
    if (batch->runs == 0 || batch->run[batch->runs - 1].number != number) {
        if (batch->runs == BATCH_RUNS)
            batch_settle(batch, stats);
        batch->run[batch->runs].number = number;
        batch->run[batch->runs++].count = 0;
    }
    batch->run[batch->runs - 1].count++;
    batch->commands++;
}

static enum command_result reject_unknown(struct session *s, const struct resp_request *r)
{
    char echoed[2 * SESSION_ECHOED_MAX];
    size_t len = 0;
    echoed[0] = '\0';
    for (uint32_t i = 1; i < r->argc && len < SESSION_ECHOED_MAX; i++) {
        struct span arg = resp_arg(r, i);
        size_t shown = arg.len < SESSION_ECHOED_MAX - len ? arg.len : SESSION_ECHOED_MAX - len;
        echoed[len++] = '\'';
        // As with C strings in Redis, an argument ends at its first NUL.
        for (size_t j = 0; j < shown && arg.ptr[j] != '\0'; j++)
            echoed[len++] = arg.ptr[j];
        echoed[len++] = '\'';
        echoed[len++] = ' ';
        echoed[len] = '\0';
    }
    struct span name = resp_arg(r, 0);
    resp_error(&s->reply, "ERR unknown command '%.*s', with args beginning with: %s",
               session_echoed(name), name.ptr, echoed);
    return COMMAND_DONE;
}

// What a web browser, a TLS or an SSH client says first. They must not go on talking: a page in a
// browser could hide commands in what it sends (cross-protocol scripting).
static const char *foreign_protocol(const struct resp_request *r, bool inline_form)
{
    struct span name = resp_arg(r, 0);
    struct span last = resp_arg(r, r->argc - 1);
    if (span_is(name, "post") || span_is(name, "host:"))
        return "HTTP";
    if (!inline_form)
        return NULL;
    if (r->argc >= 3 && last.len > 5 && memcmp(last.ptr, "HTTP/", 5) == 0)
        return "HTTP";
    if (name.len > 4 && memcmp(name.ptr, "SSH-", 4) == 0)
        return "SSH";
    return NULL;
}

static bool is_tls_hello(struct bytes in)
{
    return in.len >= 2 && in.ptr[0] == 0x16 && in.ptr[1] == 0x03;
}

// The entry that answers the request, or NULL when it has been answered with an error.
static const struct command_entry *resolve(struct session *s, const struct resp_request *r)
{
    const struct command_index *commands = &s->service->commands;
    const struct command_entry *entry = command_find(commands, resp_arg(r, 0));
    char name[COMMAND_FULL_NAME_MAX];
    if (entry == NULL) {
        reject_unknown(s, r);
        return NULL;
    }
    if (entry->command->subcommands != NULL && r->argc >= 2) {
        struct span word = resp_arg(r, 1);
        const struct command_entry *sub = command_find_sub(commands, entry, word);
        if (sub == NULL) {
            resp_error(&s->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                       session_echoed(word), word.ptr, command_upper_name(entry->command, name));
            return NULL;
        }
        entry = sub;
    }
    struct command_stats *stats = &s->service->stats.commands[entry->number];
    int arity = entry->command->arity;
    if (arity > 0 ? r->argc != (uint32_t)arity : r->argc < (uint32_t)-arity) {
        resp_error(&s->reply, "ERR wrong number of arguments for '%s' command",
                   command_full_name(entry, name));
    } else if ((entry->command->flags & WRITE) != 0) {
        resp_error(&s->reply, "READONLY You can't write against a read only replica.");
    } else {
        return entry;
    }
    stats->rejected++;
    return NULL;
}

static enum command_result run(struct session *s, const struct resp_request *r, struct batch *batch)
{
    uint64_t errors = s->reply.errors;
    const struct command_entry *entry = s->running;
    struct stats *stats = &s->service->stats;
    batch_count(batch, stats, entry->number);
    enum command_result result = entry->command->handler(s, r);
    if (s->reply.errors > errors)
        stats->commands[entry->number].failed++;
    if (result != COMMAND_AGAIN) {
        stats->commands[entry->number].calls++;
        stats->commands_processed++;
        s->running = NULL;
    }
    return result;
}

// Makes the request at the front of `in` complete. RESP_ARGS_FULL here means memory ran short.
static enum resp_status parse(struct session *s, struct bytes in, char *bad)
{
    enum resp_status status;
    while ((status = resp_parse(&s->progress, in, s->args, s->args_capacity, bad)) ==
           RESP_ARGS_FULL) {
        size_t capacity = s->args_capacity != 0 ? s->args_capacity * 2 : ARGS_FIRST;
        struct resp_arg *args = realloc(s->args, capacity * sizeof *args);
        if (args == NULL) {
            s->oom = true;
            return RESP_ARGS_FULL;
        }
        s->args = args;
        s->args_capacity = capacity;
    }
    return status;
}

// Errors are counted at once, so that an INFO behind them in a pipeline tells them.
static void count_errors(struct session *s)
{
    s->service->stats.error_replies += s->reply.errors;
    s->reply.errors = 0;
}

static void close_session(struct session *s, const char *reason)
{
    s->closing = true;
    s->close_reason = reason;
}

// Answers the complete request at the front. True when it is done with.
static bool answer(struct session *s, struct bytes in, struct batch *batch)
{
    struct resp_request request = {in.ptr, s->args, s->progress.argc};
    if (s->running == NULL) {
        if (request.argc == 0)
            return true;
        const char *foreign = foreign_protocol(&request, s->progress.inline_form);
        if (foreign != NULL) {
            close_session(s, foreign);
            return true;
        }
        session_charge(s, 1);
        s->running = resolve(s, &request);
        s->cursor = 0;
        s->sum = 0;
        if (s->running == NULL)
            return true;
    }
    switch (run(s, &request, batch)) {
    case COMMAND_AGAIN: return false;
    case COMMAND_CLOSE: close_session(s, NULL); return true;
    case COMMAND_DONE: break;
    }
    return true;
}

// Answers requests until something stops it; how many bytes of `in` are done with.
static size_t feed(struct session *s, struct bytes in, struct batch *batch,
                   enum feed_status *status)
{
    size_t consumed = 0;
    char bad[RESP_BAD_TEXT];
    for (;;) {
        struct bytes rest = {in.ptr + consumed, in.len - consumed};
        if (s->running == NULL) {
            output_append(s->reply.out, buf_span(&s->pushes));
            s->pushes.len = 0;
        }
        *status = FEED_CLOSE;
        if (s->closing || session_oom(s, s->reply.out))
            return consumed;
        *status = FEED_NEEDS_INPUT;
        if (rest.len == 0)
            return consumed;
        *status = FEED_OUTPUT_FULL;
        if (!session_has_room(s))
            return consumed;
        *status = FEED_TURN_OVER;
        if (s->work_left == 0)
            return consumed;
        if (s->running == NULL) {
            if (s->progress.at == 0 && is_tls_hello(rest)) {
                close_session(s, "TLS");
                continue;
            }
            enum resp_status parsed = parse(s, rest, bad);
            if (parsed == RESP_BAD) {
                resp_error(&s->reply, "ERR %s", bad);
                count_errors(s);
                close_session(s, NULL);
                continue;
            }
            *status = FEED_NEEDS_INPUT;
            if (parsed == RESP_PARTIAL)
                return consumed;
            if (parsed != RESP_COMPLETE)
                continue; // out of memory
        }
        bool done = answer(s, rest, batch);
        count_errors(s);
        if (done) {
            consumed += s->progress.at;
            s->progress = (struct resp_progress){0};
        }
    }
}

struct feed_result session_feed(struct session *s, struct bytes in, struct output *out)
{
    struct feed_result result;
    struct batch batch = {.started_ns = clock_monotonic_ns()};
    s->reply.out = out;
    s->work_left = SESSION_TURN_WORK;
    result.consumed = feed(s, in, &batch, &result.status);
    batch_settle(&batch, &s->service->stats);
    s->reply.out = NULL;
    if (s->progress.at == 0 && s->args_capacity > ARGS_KEPT) {
        free(s->args);
        s->args = NULL;
        s->args_capacity = 0;
    }
    if (s->pushes.len == 0 && s->pushes.cap > 0 && !s->pushes.oom)
        buf_release(&s->pushes);
    return result;
}
