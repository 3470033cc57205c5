// The groups of commands, each in a file of its own that holds its handlers and, beside them, its
// rows; and what rows share.
//
// To add a command: a handler and a row in the file of its group. To add a group: a file with its
// list of rows, which is declared here and named in table.c.
#ifndef STELE_COMMANDS_TABLE_H
#define STELE_COMMANDS_TABLE_H

#include "serve/command.h"

// The lists of rows of all groups, ending with NULL: what main.c hands to the server.
extern const struct command *const command_groups[];

// These lists, each ending with a zeroed row.
extern const struct command acl_commands[], bitmap_commands[], channel_list_commands[],
    client_control_commands[], client_list_commands[], client_tracking_commands[],
    cluster_commands[], command_commands[], config_commands[], connection_commands[],
    dump_commands[], generic_commands[], info_commands[], latency_commands[], lcs_commands[],
    lolwut_commands[], memory_commands[], other_types_commands[], pubsub_commands[],
    scan_commands[], server_commands[], slowlog_commands[], stele_commands[], string_commands[],
    transactions_commands[], unsupported_commands[], writes_commands[];

// The handler of HELP, of any container: the words come from the rows of its subcommands.
command_handler help_command;

// Lists of arguments that commands of several groups have.
extern const struct command_argument argument_key[];  // one key
extern const struct command_argument argument_keys[]; // one key or more
extern const struct command_argument argument_maybe_channels[];
extern const struct command_argument argument_maybe_shard_channels[];

// Which arguments are keys: the first, the last (negative: counted from the end), the step.
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

// What most administrative subcommands share in Redis.
#define SUBCOMMAND (NOSCRIPT | LOADING | STALE)

#endif
