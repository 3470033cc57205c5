// Which words of a request are keys, as the rows of the command table tell it. For COMMAND GETKEYS;
// what is looked up goes by the simpler command_keys.
#ifndef STELE_COMMANDS_KEY_SPECS_H
#define STELE_COMMANDS_KEY_SPECS_H

#include "resp/resp.h"
#include "serve/command.h"

enum {
    KEY_RUNS_MAX = 4, // more than any row has specifications
    // Words of a request in which keys have to be searched for, one word after the other.
    KEYS_SEARCHED_MAX = 4096,
};

// Keys at equal distances.
struct key_run {
    uint32_t first; // argument
    uint32_t count;
    uint32_t step;
    const char *flags; // what becomes of them, separated by spaces
};

struct key_runs {
    struct key_run run[KEY_RUNS_MAX];
    unsigned count;
    uint64_t keys; // of all runs
};

// Whether requests of that row can have keys at all.
bool keys_possible(const struct command *c);

// Whether finding them takes a search: time in proportion to the number of words.
bool keys_need_search(const struct command *c);

// Finds the keys of a request that has as many words as the row asks for; none when they are not
// where the row says, as in a request that is wrong.
void keys_find(const struct command *c, const struct resp_request *r, struct key_runs *runs);

// The argument that is the key of that number, counted from 0, and its run.
uint32_t keys_at(const struct key_runs *runs, uint64_t number, const struct key_run **run);

// The rules of commands whose keys no specification tells, for their rows.
command_key_rule key_rule_bitfield, key_rule_migrate, key_rule_set, key_rule_sort, key_rule_sort_ro;

#endif
