// The groups of commands. Each group is a file of this folder, with the handlers of its commands
// and, beside them, their rows. A row describes one command (serve/command.h). What rows of several
// groups share is in rows.h. Redis divides its commands into other groups. Each row says to which
// of those its command belongs (GROUP_…).
//
// A handler answers one request in one turn or in several. A client's turn is one call of
// session_feed, its share of a turn of the loop (docs/design.md), and may do a limited amount of
// work. Handlers count their work in units and report it with session_charge. One unit is about the
// time of one key lookup, 0.2 µs.
//
// To add a command, write a handler and a row in the file of its group. To add a group, write a
// file with a list of rows, declare the list here and name it in groups.c.
#ifndef STELE_COMMANDS_GROUPS_H
#define STELE_COMMANDS_GROUPS_H

#include "serve/command.h"

// The lists of rows of all groups, ending with NULL. main.c gives them to the server.
extern const struct command *const command_groups[];

// These lists, each ending with a zeroed row.
extern const struct command acl_commands[], bitmap_commands[], channel_list_commands[],
    client_control_commands[], client_list_commands[], client_tracking_commands[],
    cluster_commands[], cluster_keys_commands[], command_commands[], config_commands[],
    connection_commands[], dump_commands[], generic_commands[], info_commands[], latency_commands[],
    lcs_commands[], lolwut_commands[], memory_commands[], other_types_commands[], pubsub_commands[],
    replication_commands[], scan_commands[], server_commands[], slowlog_commands[],
    stele_cluster_commands[], stele_commands[], string_commands[], transactions_commands[],
    unsupported_commands[], writes_commands[];

#endif
