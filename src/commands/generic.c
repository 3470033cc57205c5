// The generic group: commands about keys, whatever the type of their values.
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/session.h"

// EXISTS and TOUCH. `s->request.cursor` is the next argument, and `s->request.sum` is the number
// of keys found.
static enum command_result exists_command(struct session *s, const struct resp_request *r)
{
    if (s->request.cursor == 0)
        s->request.cursor = 1;
    for (; s->request.cursor < r->argc; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum lookup lookup = session_has(s, r, (uint32_t)s->request.cursor);
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        s->request.sum += lookup == LOOKUP_FOUND;
    }
    resp_integer(&s->reply, (int64_t)s->request.sum);
    return COMMAND_DONE;
}

static enum command_result type_command(struct session *s, const struct resp_request *r)
{
    enum lookup lookup = session_has(s, r, 1);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    resp_status(&s->reply, lookup == LOOKUP_FOUND ? "string" : "none");
    return COMMAND_DONE;
}

// TTL, PTTL, EXPIRETIME and PEXPIRETIME. No key of Stele expires. As in Redis, the reply is -1 for
// a key that exists and never expires, and -2 for a key that does not exist.
static enum command_result ttl_command(struct session *s, const struct resp_request *r)
{
    enum lookup lookup = session_has(s, r, 1);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    resp_integer(&s->reply, lookup == LOOKUP_FOUND ? -1 : -2);
    return COMMAND_DONE;
}

static enum command_result randomkey_command(struct session *s, const struct resp_request *r)
{
    uint64_t keys = dataset_figures(session_dataset(s))->keys;
    struct uuid id;
    char text[KEY_TEXT_MAX];
    enum lookup lookup = LOOKUP_MISSED;
    (void)r;
    // The cursor keeps 1 + the rank that was chosen, until the key has been read.
    if (s->request.cursor == 0 && keys > 0)
        s->request.cursor = 1 + service_random(s->service, keys);
    if (keys > 0)
        lookup = session_at(s, s->request.cursor - 1, s->request.cursor - 1, &id, NULL);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    // session_at fails only if the data file or the index file was damaged or overwritten. If the
    // key's line was overwritten, the key does not exist any more, and the client gets the null
    // that is written here. If a file was damaged, serve/integrity.c removes the null before it is
    // sent: the client gets an error or is disconnected.
    if (lookup == LOOKUP_FOUND)
        resp_bulk(&s->reply, key_rules_write(s->service->keys, id, text));
    else
        resp_null(&s->reply);
    return COMMAND_DONE;
}

// Replies 0, because there are no replicas.
static enum command_result wait_command(struct session *s, const struct resp_request *r)
{
    int64_t replicas;
    int64_t timeout;
    if (!number_parse(resp_arg(r, 1), &replicas))
        reply_not_an_integer(s);
    else if (!number_parse(resp_arg(r, 2), &timeout))
        resp_error(&s->reply, "ERR timeout is not an integer or out of range");
    else if (timeout < 0)
        resp_error(&s->reply, "ERR timeout is negative");
    else
        resp_integer(&s->reply, 0);
    return COMMAND_DONE;
}

// ---- OBJECT -------------------------------------------------------------------------------------
//
// OBJECT describes a value as Redis would store it, because clients expect the replies of Redis.
// Stele stores no value that way, and does not record when a key is read.

enum {
    EMBEDDED_MAX = 44, // bytes of the longest string that Redis stores next to its header
    // Redis has one shared object for each integer from 0 to SHARED_INTEGERS - 1.
    SHARED_INTEGERS = 10000,
};

// Looks up argument 2. Replies with a null if there is no such key.
static enum lookup lookup_or_null(struct session *s, const struct resp_request *r,
                                  struct span *value)
{
    enum lookup lookup = session_look_up(s, r, 2, value);
    if (lookup == LOOKUP_MISSED)
        resp_null(&s->reply);
    return lookup;
}

static enum command_result object_encoding_command(struct session *s, const struct resp_request *r)
{
    struct span value;
    int64_t number;
    enum lookup lookup = lookup_or_null(s, r, &value);
    if (lookup != LOOKUP_FOUND)
        return lookup == LOOKUP_GOES_ON ? COMMAND_AGAIN : COMMAND_DONE;
    if (number_parse(value, &number))
        resp_bulk_text(&s->reply, "int");
    else
        resp_bulk_text(&s->reply, value.len <= EMBEDDED_MAX ? "embstr" : "raw");
    return COMMAND_DONE;
}

static enum command_result object_refcount_command(struct session *s, const struct resp_request *r)
{
    struct span value;
    int64_t number;
    enum lookup lookup = lookup_or_null(s, r, &value);
    if (lookup != LOOKUP_FOUND)
        return lookup == LOOKUP_GOES_ON ? COMMAND_AGAIN : COMMAND_DONE;
    bool shared = number_parse(value, &number) && number >= 0 && number < SHARED_INTEGERS;
    resp_integer(&s->reply, shared ? INT32_MAX : 1);
    return COMMAND_DONE;
}

static enum command_result object_idletime_command(struct session *s, const struct resp_request *r)
{
    enum lookup lookup = session_has(s, r, 2);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    if (lookup == LOOKUP_FOUND)
        resp_integer(&s->reply, 0);
    else
        resp_null(&s->reply);
    return COMMAND_DONE;
}

static enum command_result object_freq_command(struct session *s, const struct resp_request *r)
{
    enum lookup lookup = session_has(s, r, 2);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    if (lookup == LOOKUP_FOUND)
        resp_error(&s->reply,
                   "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                   "Please note that when switching between policies at runtime LRU and LFU data "
                   "will take some time to adjust.");
    else
        resp_null(&s->reply);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument replicas_and_timeout[] = {
    {"numreplicas", "integer", NULL, 0, NULL}, {"timeout", "integer", NULL, 0, NULL}, {0}};
static const struct command_change exists_history[] = {{"3.0.3", "Accepts several keys"}, {0}};

static const struct command_change ttl_history[] = {
    {"2.8.0", "Returns -2 if the key does not exist"}, {0}};

const struct command generic_commands[] = {
    {"exists", -2, READONLY | FAST, ALL_KEYS, "RO", GROUP_GENERIC, "1.0.0", 0, exists_command,
     "Returns how many of the keys exist; a key that is given twice counts twice",
     "O(N) where N is the number of keys", "request_policy:multi_shard response_policy:agg_sum",
     argument_keys, .history = exists_history},
    {"expiretime", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "7.0.0", 0, ttl_command,
     "Returns -1 if the key exists, as no key expires, and -2 if it does not", "O(1)", NULL,
     argument_key},
    {"object", -2, 0, NO_KEYS, GROUP_GENERIC, "2.2.3", IN_SLOW, NULL,
     "A container for the commands about how values are stored", NULL},
    {"object|encoding", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "2.2.3", 0,
     object_encoding_command, "Returns the encoding that Redis would choose for the value", "O(1)",
     "nondeterministic_output", argument_key},
    {"object|freq", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "4.0.0", 0, object_freq_command,
     "Returns null if the key does not exist, otherwise an error, as the server does not track how "
     "often a key is read",
     "O(1)", "nondeterministic_output", argument_key},
    {"object|help", 2, LOADING | STALE, NO_KEYS, GROUP_GENERIC, "6.2.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"object|idletime", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "2.2.3", 0,
     object_idletime_command,
     "Returns null if the key does not exist, otherwise 0, as the server does not record when a "
     "key was read",
     "O(1)", "nondeterministic_output", argument_key,
     .deviation =
         "Returns 0 for every key that exists, as the server does not record when a key was read."},
    {"object|refcount", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "2.2.3", 0,
     object_refcount_command, "Returns the reference count that Redis would report for the value",
     "O(1)", "nondeterministic_output", argument_key},
    {"pexpiretime", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "7.0.0", 0,
     ttl_command, "Returns -1 if the key exists, as no key expires, and -2 if it does not", "O(1)",
     NULL, argument_key},
    {"pttl", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "2.6.0", 0, ttl_command,
     "Returns -1 if the key exists, as no key expires, and -2 if it does not", "O(1)",
     "nondeterministic_output", argument_key, .history = ttl_history},
    {"randomkey", 1, READONLY | ORDERED, NO_KEYS, GROUP_GENERIC, "1.0.0", 0, randomkey_command,
     "Returns a random key; all keys are equally likely", "O(1)",
     "request_policy:all_shards nondeterministic_output"},
    {"touch", -2, READONLY | FAST, ALL_KEYS, "RO", GROUP_GENERIC, "3.2.1", 0, exists_command,
     "Returns how many of the keys exist; the server does not record that they were read",
     "O(N) where N is the number of keys", "request_policy:multi_shard response_policy:agg_sum",
     argument_keys},
    {"ttl", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "1.0.0", 0, ttl_command,
     "Returns -1 if the key exists, as no key expires, and -2 if it does not", "O(1)",
     "nondeterministic_output", argument_key, .history = ttl_history},
    {"type", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_GENERIC, "1.0.0", 0, type_command,
     "Returns \"string\" if the key exists, and \"none\" if it does not", "O(1)", NULL,
     argument_key},
    {"wait", 3, NOSCRIPT, NO_KEYS, GROUP_GENERIC, "3.0.0", IN_CONNECTION, wait_command,
     "Returns 0 immediately, as nothing is ever written", "O(1)",
     "request_policy:all_shards response_policy:agg_min", replicas_and_timeout,
     .deviation = "Returns 0 immediately. A Redis server that is a replica returns an error."},
    {0},
};
