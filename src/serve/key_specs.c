// Each key specification of a row yields one run of keys. For a few commands, no specification can
// describe the keys, so a function, the rule of that command, finds them.
//
// Nearly all of these commands are writes, which Stele refuses. A proxy or a cluster client may
// still ask for their keys, to find the right server.
#include "serve/key_specs.h"

#include <assert.h>

#include "base/number.h"

static void add_run(struct key_runs *runs, struct key_run run)
{
    assert(runs->count < KEY_RUNS_MAX);
    runs->run[runs->count++] = run;
    runs->keys += run.count;
}

static void add_key(struct key_runs *runs, uint32_t i, const char *flags)
{
    add_run(runs, (struct key_run){i, 1, 1, flags});
}

// ---- rules of single commands -------------------------------------------------------------------

// SET writes the key, and also reads it if the request has the option GET.
void key_rule_set(const struct resp_request *r, struct key_runs *runs)
{
    const char *flags = "OW update";
    for (uint32_t i = 3; i < r->argc; i++)
        if (span_is(resp_arg(r, i), "get"))
            flags = "RW access update";
    add_key(runs, 1, flags);
}

// BITFIELD counts as a read if each of its subcommands is a complete GET or OVERFLOW. Otherwise it
// counts as a write.
void key_rule_bitfield(const struct resp_request *r, struct key_runs *runs)
{
    const char *flags = "RO access";
    for (uint32_t i = 2; i < r->argc; i++) {
        struct span word = resp_arg(r, i);
        if (span_is(word, "get") && i + 2 < r->argc) {
            i += 2;
        } else if (span_is(word, "overflow") && i + 1 < r->argc) {
            i++;
        } else {
            flags = "RW access update";
            break;
        }
    }
    add_key(runs, 1, flags);
}

// If the request has several STOREs, the last one counts. The keys that BY and GET refer to depend
// on the sorted values, so the request does not show them.
void key_rule_sort(const struct resp_request *r, struct key_runs *runs)
{
    uint32_t stored = 0;
    for (uint32_t i = 2; i < r->argc; i++) {
        struct span word = resp_arg(r, i);
        if (span_is(word, "limit"))
            i += 2;
        else if (span_is(word, "get") || span_is(word, "by"))
            i++;
        else if (span_is(word, "store") && i + 1 < r->argc)
            stored = i + 1;
    }
    add_key(runs, 1, "RO access");
    if (stored != 0)
        add_key(runs, stored, "OW update");
}

// Like SORT, but without STORE.
void key_rule_sort_ro(const struct resp_request *r, struct key_runs *runs)
{
    (void)r;
    add_key(runs, 1, "RO access");
}

// MIGRATE has one key, argument 3. If argument 3 is empty, the keys follow the word KEYS instead.
// As in Redis, KEYS as the last word is ignored, unless another KEYS precedes it.
void key_rule_migrate(const struct resp_request *r, struct key_runs *runs)
{
    static const char flags[] = "RW access delete";
    bool lists_keys = false;
    for (uint32_t i = 2; i + 1 < r->argc; i++)
        lists_keys |= span_is(resp_arg(r, i), "keys");
    for (uint32_t i = 6; lists_keys && i < r->argc; i++) {
        struct span word = resp_arg(r, i);
        if (span_is(word, "keys")) {
            if (resp_arg(r, 3).len == 0 && i + 1 < r->argc)
                add_run(runs, (struct key_run){i + 1, r->argc - i - 1, 1, flags});
            return;
        }
        // A user name or password may be "keys" too.
        i += span_is(word, "auth") ? 1 : span_is(word, "auth2") ? 2 : 0;
    }
    add_key(runs, 3, flags);
}

// ---- key specifications -------------------------------------------------------------------------

// Returns the number of the argument after the specification's keyword, or 0 if the request does
// not have the keyword. The search goes forwards from `from`, or backwards if `from` is negative.
// As in Redis, a search forwards does not look at the last word, and a search backwards does not
// look at the first two.
static uint32_t after_keyword(const struct resp_request *r, const struct command_key_spec *spec)
{
    int64_t i = spec->from;
    if (i > 0) {
        for (; i + 1 < r->argc; i++)
            if (span_is(resp_arg(r, (uint32_t)i), spec->keyword))
                return (uint32_t)i + 1;
    } else {
        for (i += r->argc; i > 1; i--)
            if (span_is(resp_arg(r, (uint32_t)i), spec->keyword))
                return (uint32_t)i + 1;
    }
    return 0;
}

// Adds one run, which consists of the keys that `spec` describes. If `spec` has a keyword that the
// request does not have, adds nothing and returns true. Returns false if the request does not match
// the specification.
static bool find_run(const struct resp_request *r, const struct command_key_spec *spec,
                     struct key_runs *runs)
{
    int64_t first = spec->from;
    int64_t last = (int64_t)r->argc + spec->last;
    if (spec->keyword != NULL) {
        first = after_keyword(r, spec);
        if (first == 0)
            return true;
    }
    if (first == 0 || first >= r->argc)
        return false;
    if (spec->counted) {
        int64_t count;
        if (!number_parse(resp_arg(r, (uint32_t)first), &count) || count > r->argc)
            return false;
        last = first + count;
        first++;
    } else if (spec->last >= 0) {
        last = first + spec->last;
    } else if (spec->limit != 0) {
        last = first + (r->argc - first) / spec->limit + spec->last;
    }
    if (last < first || last >= r->argc)
        return false;
    uint32_t count = (uint32_t)((last - first) / spec->step) + 1;
    add_run(runs, (struct key_run){(uint32_t)first, count, (uint32_t)spec->step, spec->flags});
    return true;
}

// Returns false for words that a cluster routes like keys but that are no keys: shard channels.
static bool describes_keys(const struct command_key_spec *spec)
{
    return strstr(spec->flags, "not_key") == NULL;
}

bool keys_possible(const struct command *c)
{
    struct command_key_spec room[2];
    for (const struct command_key_spec *s = command_key_specs(c, room); s->flags != NULL; s++)
        if (describes_keys(s))
            return true;
    return false;
}

bool keys_need_search(const struct command *c)
{
    for (const struct command_key_spec *s = c->key_specs; s != NULL && s->flags != NULL; s++)
        if (s->keyword != NULL)
            return true;
    return c->key_rule != NULL;
}

// `channels`: also finds the words that describes_keys returns false for.
static void find(const struct command *c, const struct resp_request *r, bool channels,
                 struct key_runs *runs)
{
    struct command_key_spec room[2];
    *runs = (struct key_runs){.count = 0};
    if (c->key_rule != NULL) {
        c->key_rule(r, runs);
        return;
    }
    for (const struct command_key_spec *s = command_key_specs(c, room); s->flags != NULL; s++) {
        if ((channels || describes_keys(s)) && !find_run(r, s, runs)) {
            *runs = (struct key_runs){.count = 0};
            return;
        }
    }
}

void keys_find(const struct command *c, const struct resp_request *r, struct key_runs *runs)
{
    find(c, r, false, runs);
}

void keys_find_routed(const struct command *c, const struct resp_request *r, struct key_runs *runs)
{
    find(c, r, true, runs);
}

uint32_t keys_at(const struct key_runs *runs, uint64_t number, const struct key_run **run)
{
    assert(number < runs->keys);
    for (*run = runs->run; number >= (*run)->count; ++*run)
        number -= (*run)->count;
    return (*run)->first + (uint32_t)number * (*run)->step;
}
