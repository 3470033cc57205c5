// Finds which words of a request are keys, by the key specifications in the rows of commands.
// COMMAND GETKEYS and the routing in a cluster need this; lookups use command_keys, which is
// simpler and faster.
//
// The functions read constant rows and the caller's request. Any thread may call them.
#ifndef STELE_SERVE_KEY_SPECS_H
#define STELE_SERVE_KEY_SPECS_H

#include "resp/resp.h"
#include "serve/command.h"

enum {
    KEY_RUNS_MAX = 4, // room for the runs of one request; every command has fewer
    // Longest request, in words, whose keys a caller should search for (keys_need_search). The
    // search is not divided into turns.
    KEYS_SEARCHED_MAX = 4096,
};

// Keys at equal distances: the arguments `first`, `first + step` and so on.
struct key_run {
    uint32_t first;    // argument number of the first key
    uint32_t count;    // number of keys
    uint32_t step;     // arguments from one key to the next
    const char *flags; // Redis's words for how the keys are used, separated by spaces
};

struct key_runs {
    struct key_run run[KEY_RUNS_MAX];
    unsigned count; // number of runs
    uint64_t keys;  // number of keys in all runs
};

// Returns true if requests of this command can have keys.
bool keys_possible(const struct command *c);

// Returns true if finding the keys takes time in proportion to the number of words.
bool keys_need_search(const struct command *c);

// Finds the keys of a request, whose number of words must suit the row (command_takes). Finds none
// in a malformed request, one that does not match the row's key specifications.
void keys_find(const struct command *c, const struct resp_request *r, struct key_runs *runs);

// Finds what decides which node of a cluster answers a request: its keys, or its shard channels.
// Otherwise as keys_find.
void keys_find_routed(const struct command *c, const struct resp_request *r, struct key_runs *runs);

// Returns the argument number of key `number`, counted from 0 over all runs, and sets `*run` to the
// run that contains it. `number` must be less than `runs->keys`.
uint32_t keys_at(const struct key_runs *runs, uint64_t number, const struct key_run **run);

// Rules for the rows of commands whose keys no key specification can describe. A rule reports the
// keys of one request.
command_key_rule key_rule_bitfield, key_rule_migrate, key_rule_set, key_rule_sort, key_rule_sort_ro;

#endif
