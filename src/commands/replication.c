// The commands with which a redis-server, or a tool that does the same, copies the dataset: PSYNC,
// SYNC and REPLCONF (serve/replica.h). ROLE and INFO replication, which show the replicas, are in
// server.c and info.c.
#include <stdarg.h>
#include <stdio.h>

#include "base/escape.h"
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/replication.h"
#include "serve/session.h"

enum { REPLCONF_WORDS_MAX = 64 };

// The highest offset at which a replica may continue. The offset grows by some bytes each minute.
static const int64_t OFFSET_MAX = INT64_MAX / 2;

// ---- REPLCONF -----------------------------------------------------------------------------------

// Reads the IP address that the replica wants INFO to show. Returns false if it has replied with an
// error.
static bool set_ip(struct session *s, struct replica *replica, struct span value)
{
    char ip[CLIENT_ADDRESS_TEXT] = "";
    if (value.len >= sizeof ip) {
        resp_error(&s->reply,
                   "ERR REPLCONF ip-address provided by replica instance is too long: %zu bytes",
                   value.len);
        return false;
    }
    if (s->replicates) // other threads may be reading the address
        return true;
    memcpy(ip, value.ptr, value.len);
    escape_in_place(ip, sizeof ip); // INFO has it in a line
    memcpy(replica->ip, ip, sizeof ip);
    return true;
}

// Reads which parts of the data the replica wants. Keys are never among the parts that can be
// named, so the file will have none. Returns false if it has replied with an error.
static bool set_filter(struct session *s, struct replica *replica, struct span value)
{
    replica->without_keys = true;
    while (value.len > 0) {
        size_t len = 0;
        while (len < value.len && value.ptr[len] != ' ')
            len++;
        struct span word = span_of(value.ptr, len);
        if (len > 0 && !span_is(word, "functions")) {
            resp_error(&s->reply, "ERR Unsupported rdb-filter-only option: %.*s",
                       session_echoed(word), word.ptr);
            return false;
        }
        len += len < value.len;
        value = span_of(value.ptr + len, value.len - len);
    }
    return true;
}

// The result of reading an option of REPLCONF.
enum option {
    OPTION_TAKEN,
    OPTION_SILENT,  // REPLCONF has no reply
    OPTION_REFUSED, // the reply is an error
};

static enum option read_option(struct session *s, struct replica *replica, struct span word,
                               struct span value)
{
    int64_t number;
    if (span_is(word, "listening-port")) {
        if (!reply_unless_integer(s, value, &number))
            return OPTION_REFUSED;
        atomic_store(&replica->port, number);
    } else if (span_is(word, "ip-address")) {
        return set_ip(s, replica, value) ? OPTION_TAKEN : OPTION_REFUSED;
    } else if (span_is(word, "capa")) {
        replica->reads_marked |= span_is(value, "eof");
        replica->knows_ids |= span_is(value, "psync2");
    } else if (span_is(word, "ack")) {
        if (s->replicates && number_parse(value, &number) && number >= 0)
            replica_acknowledge(s, number);
        return OPTION_SILENT;
    } else if (span_is(word, "getack")) {
        return OPTION_SILENT;
    } else if (span_is(word, "rdb-only")) {
        if (!reply_unless_integer(s, value, &number))
            return OPTION_REFUSED;
        if (number < 0 || number > 1) {
            resp_error(&s->reply, "ERR value is out of range, value must between 0 and 1");
            return OPTION_REFUSED;
        }
        replica->only_file = number == 1;
    } else if (span_is(word, "rdb-filter-only")) {
        return set_filter(s, replica, value) ? OPTION_TAKEN : OPTION_REFUSED;
    } else if (!span_is(word, "version")) {
        // Redis drops newlines at the end of this message; other errors show them as spaces.
        while (word.len > 0 && (word.ptr[word.len - 1] == '\r' || word.ptr[word.len - 1] == '\n'))
            word.len--;
        resp_error(&s->reply, "ERR Unrecognized REPLCONF option: %.*s", session_echoed(word),
                   word.ptr);
        return OPTION_REFUSED;
    }
    return OPTION_TAKEN;
}

static enum command_result replconf_command(struct session *s, const struct resp_request *r)
{
    if (r->argc % 2 == 0 || r->argc > REPLCONF_WORDS_MAX) {
        reply_syntax_error(s);
        return COMMAND_DONE;
    }
    struct replica *replica = replica_of(s);
    for (uint32_t i = 1; i < r->argc && replica != NULL; i += 2) {
        enum option option = read_option(s, replica, resp_arg(r, i), resp_arg(r, i + 1));
        if (option != OPTION_TAKEN)
            return COMMAND_DONE;
    }
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// ---- PSYNC and SYNC -----------------------------------------------------------------------------

// Replies with an error and returns true if the dataset cannot be copied now. The error always has
// the code NOMASTERLINK. After this one, a redis-server waits a second before it tries again. After
// any other error, NOAUTH included, it repeats the handshake at once, about a thousand times a
// second.
static bool refuse(struct session *s)
{
    const struct dataset *d = session_dataset(s);
    if (!s->authenticated)
        resp_error(&s->reply, "NOMASTERLINK Can't SYNC before AUTH");
    else if (dataset_look(d) != 0 || dataset_index_is_damaged(d))
        resp_error(&s->reply, "NOMASTERLINK Can't SYNC while a file of the dataset is damaged");
    else
        return false;
    return true;
}

static void reply_line(struct session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void reply_line(struct session *s, const char *format, ...)
{
    char line[128];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    resp_status(&s->reply, line);
}

// Continues with the stream if the replica has the data already. Returns whether it has.
static bool continue_stream(struct session *s, const struct resp_request *r, int64_t next)
{
    char id[REPLICATION_ID_LEN + 1];
    if (next < 1 || next > OFFSET_MAX || !replication_id_is_ours(s, resp_arg(r, 1))) {
        if (!span_is(resp_arg(r, 1), "?"))
            counter_add(&s->service->stats.syncs_refused, 1);
        return false;
    }
    replication_id(s, id);
    counter_add(&s->service->stats.syncs_partial, 1);
    if (s->replica->knows_ids)
        reply_line(s, "CONTINUE %s", id);
    else
        reply_line(s, "CONTINUE");
    replica_continue(s, next - 1);
    return true;
}

// Replies with an error and returns false if the words of PSYNC are wrong.
static bool read_psync(struct session *s, const struct resp_request *r, int64_t *next)
{
    if (r->argc > 3 && span_is(resp_arg(r, 3), "failover")) {
        resp_error(&s->reply, "ERR PSYNC FAILOVER can't be sent to a master.");
        return false;
    }
    return reply_unless_integer(s, resp_arg(r, 2), next);
}

// `s->request.cursor` is 1 while the file is sent.
static enum command_result sync_command(struct session *s, const struct resp_request *r)
{
    char id[REPLICATION_ID_LEN + 1];
    int64_t next = 0;
    bool has_id = r->argc > 1; // PSYNC
    if (s->request.cursor == 1)
        return replica_send(s);
    if (s->replicates || refuse(s)) // as in Redis, a replica that asks again gets no reply
        return COMMAND_DONE;
    if (has_id && !read_psync(s, r, &next))
        return COMMAND_DONE;
    if (s->reply_mode != REPLY_ON) { // the replies of a replica cannot be turned off
        s->reply_mode = REPLY_ON;
        return COMMAND_AGAIN;
    }
    if (replica_of(s) == NULL || (has_id && continue_stream(s, r, next)))
        return COMMAND_DONE;
    counter_add(&s->service->stats.syncs_full, 1);
    s->replica->old = !has_id;
    replication_id(s, id);
    if (has_id)
        reply_line(s, "FULLRESYNC %s 0", id);
    if (!replica_begin(s, 0))
        return COMMAND_DONE;
    s->request.cursor = 1;
    return replica_send(s);
}

// ---- rows of the command table ------------------------------------------------------------------

#define SYNC_DEVIATION                                                                             \
    "Before `AUTH`, and when a file of the dataset is damaged, the error is `NOMASTERLINK`. "      \
    "After "                                                                                       \
    "this error, a redis-server that tries to replicate from Stele retries once a second. After "  \
    "any other error it would retry at once. The copy is produced while the client reads it; no "  \
    "process is forked. "

static const struct command_argument psync_words[] = {
    {"replicationid", "string", NULL, 0, NULL}, {"offset", "integer", NULL, 0, NULL}, {0}};

const struct command replication_commands[] = {
    {"psync", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI | UNAUTHENTICATED, NO_KEYS,
     GROUP_SERVER, "2.8.0", 0, sync_command,
     "Copies the dataset to the client, which becomes a replica",
     "O(N) where N is the size of the data", NULL, psync_words,
     .deviation = SYNC_DEVIATION
     "The replication id is computed from the content of the dataset. A replica that has the "
     "same content continues at any offset, as only `PING` follows. When the dataset is "
     "replaced, the connection closes, and the replica copies the new one."},
    {"replconf", -1, ADMIN | SUBCOMMAND | ALLOW_BUSY, NO_KEYS, GROUP_SERVER, "3.0.0", 0,
     replconf_command, "Says what a replica can do, or what it has received", "O(1)",
     .doc_flags = "syscmd"},
    {"sync", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI | UNAUTHENTICATED, NO_KEYS,
     GROUP_SERVER, "1.0.0", 0, sync_command,
     "Copies the dataset to the client, which becomes a replica",
     "O(N) where N is the size of the data",
     .deviation = SYNC_DEVIATION "When the dataset is replaced, the connection closes."},
    {0},
};
