// What rows of several groups share: the handler of HELP, lists of arguments, positions of keys,
// flags.
#ifndef STELE_COMMANDS_ROWS_H
#define STELE_COMMANDS_ROWS_H

#include "serve/command.h"

// The handler of the HELP of every container command. Its lines come from the rows of the
// container's subcommands.
command_handler help_command;

// Lists of arguments that commands of several groups take.
extern const struct command_argument argument_key[];  // one key
extern const struct command_argument argument_keys[]; // one key or more
extern const struct command_argument argument_maybe_channels[];
extern const struct command_argument argument_maybe_shard_channels[];

// The field `keys` of a row, which says which arguments are keys: the first, the last (negative:
// counted from the end), and the step. NO_KEYS also contains the next field, `key_flags`.
#define NO_KEYS {0, 0, 0}, ""
#define ONE_KEY                                                                                    \
    {                                                                                              \
        1, 1, 1                                                                                    \
    }
#define SECOND_KEY                                                                                 \
    {                                                                                              \
        2, 2, 1                                                                                    \
    }
#define TWO_KEYS                                                                                   \
    {                                                                                              \
        1, 2, 1                                                                                    \
    }
#define ALL_KEYS                                                                                   \
    {                                                                                              \
        1, -1, 1                                                                                   \
    }

// The flags that most subcommands of ACL, CLIENT, CONFIG and LATENCY have in Redis.
#define SUBCOMMAND (NOSCRIPT | LOADING | STALE)

#endif
