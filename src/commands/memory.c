// MEMORY. The data is a mapped file that never changes and that other processes may map too. So
// most of what Redis reports about its memory, or does with it, has no counterpart here.
#include "base/number.h"
#include "base/process.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/session.h"

enum {
    STATS_WORK = 64,      // units of work for reading files of /proc
    USAGE_WORDS_MAX = 64, // highest index of an option word in a request for MEMORY USAGE
};

// Checks the option `SAMPLES count`. Returns false if the request is wrong; the reply is then an
// error. The count has no effect, because a value here has no elements to sample.
static bool check_samples(struct session *s, const struct resp_request *r)
{
    for (uint32_t i = 3; i < r->argc; i += 2) {
        int64_t count;
        bool option = span_is(resp_arg(r, i), "samples") && i + 1 < r->argc;
        if (option && !number_parse(resp_arg(r, i + 1), &count)) {
            reply_not_an_integer(s);
            return false;
        }
        if (!option || count < 0 || i > USAGE_WORDS_MAX) {
            reply_syntax_error(s);
            return false;
        }
    }
    return true;
}

static enum command_result memory_usage_command(struct session *s, const struct resp_request *r)
{
    const struct dataset_figures *f = dataset_figures(session_dataset(s));
    struct span value;
    if (!check_samples(s, r))
        return COMMAND_DONE;
    enum lookup lookup = session_look_up(s, r, 2, &value);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    if (lookup == LOOKUP_FOUND) {
        uint64_t line = UUID_TEXT_LEN + sizeof " " - 1 + value.len + sizeof "\n" - 1;
        resp_integer(&s->reply, (int64_t)(line + f->index_bytes / f->keys));
    } else {
        resp_null(&s->reply);
    }
    return COMMAND_DONE;
}

static void integer_field(struct resp_writer *w, const char *name, uint64_t value)
{
    resp_bulk_text(w, name);
    resp_integer(w, (int64_t)value);
}

static void double_field(struct resp_writer *w, const char *name, double value)
{
    resp_bulk_text(w, name);
    resp_double(w, value);
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

// `total.allocated` is the memory that belongs to this process alone, as in INFO. `peak.allocated`
// is the largest resident memory so far, which includes pages of mapped files. "dataset" is the
// mapped data file, and "overhead" is the index.
static enum command_result memory_stats_command(struct session *s, const struct resp_request *r)
{
    const struct dataset_figures *f = dataset_figures(session_dataset(s));
    struct process_memory memory = process_memory();
    struct resp_writer *w = &s->reply;
    (void)r;
    session_charge(s, STATS_WORK);
    resp_map(w, 15);
    integer_field(w, "peak.allocated", memory.resident_peak);
    integer_field(w, "total.allocated", memory.anonymous);
    integer_field(w, "replication.backlog", 0);
    integer_field(w, "clients.slaves", 0);
    integer_field(w, "cluster.links", 0);
    integer_field(w, "aof.buffer", 0);
    integer_field(w, "lua.caches", 0);
    integer_field(w, "functions.caches", 0);
    resp_bulk_text(w, "db.0");
    resp_map(w, 2);
    integer_field(w, "overhead.hashtable.main", f->index_bytes);
    integer_field(w, "overhead.hashtable.expires", 0);
    integer_field(w, "overhead.total", f->index_bytes);
    integer_field(w, "keys.count", f->keys);
    integer_field(w, "keys.bytes-per-key",
                  f->keys > 0 ? (f->data_bytes + f->index_bytes) / f->keys : 0);
    integer_field(w, "dataset.bytes", f->data_bytes);
    double_field(w, "dataset.percentage",
                 100 * ratio(f->data_bytes, f->data_bytes + f->index_bytes));
    double_field(w, "peak.percentage", 100 * ratio(memory.anonymous, memory.resident_peak));
    return COMMAND_DONE;
}

static enum command_result memory_doctor_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_verbatim(&s->reply,
                  span_text("The memory of this server needs no attention. The data file, and the "
                            "index file if there is one, are mapped, so the system can reclaim "
                            "their pages at any time. The memory that the server keeps for a "
                            "client is limited.\n"));
    return COMMAND_DONE;
}

// Replies as a Redis that is built without jemalloc does.
static enum command_result memory_malloc_stats_command(struct session *s,
                                                       const struct resp_request *r)
{
    (void)r;
    resp_bulk_text(&s->reply, "Stats not supported for the current allocator");
    return COMMAND_DONE;
}

// There is nothing to release: the buffers of clients are freed after use, and there is no cache.
static enum command_result memory_purge_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument memory_usage_words[] = {
    {"key", "key", NULL, 0, NULL}, {"count", "integer", "SAMPLES", ARGUMENT_OPTIONAL, NULL}, {0}};

const struct command memory_commands[] = {
    {"memory", -2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, NULL,
     "A container for the commands about memory", NULL},
    {"memory|doctor", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_doctor_command,
     "Returns advice about memory", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special",
     .deviation = "The text is Stele's own."},
    {"memory|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "4.0.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"memory|malloc-stats", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_malloc_stats_command,
     "Returns a message that the allocator has no statistics", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special",
     .deviation = "Returns the message of a Redis without jemalloc."},
    {"memory|purge", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_purge_command,
     "Returns OK without effect, as the server releases unused memory by itself", "O(1)",
     "request_policy:all_shards response_policy:all_succeeded"},
    {"memory|stats", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_stats_command,
     "Returns what the memory is used for", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special",
     .deviation = "Some fields of Redis are missing. `dataset.bytes` is the size of the data file, "
                  "and `overhead.total` the size of the index."},
    {"memory|usage", -3, READONLY, SECOND_KEY, "RO", GROUP_SERVER, "4.0.0", 0, memory_usage_command,
     "Returns the bytes that a key takes: its line in the file and its share of the index", "O(1)",
     NULL, memory_usage_words,
     .deviation = "A key takes the bytes of its line in the data file and a share of the index. "
                  "`SAMPLES` may be given at most 31 times."},
    {0},
};
