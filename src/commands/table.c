// The groups of commands, and what their rows share.
#include "commands/table.h"

const struct command_argument argument_key[] = {{"key", "key", NULL, 0, NULL}, {0}};
const struct command_argument argument_keys[] = {{"key", "key", NULL, ARGUMENT_MULTIPLE, NULL},
                                                 {0}};
const struct command_argument argument_maybe_channels[] = {
    {"channel", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
const struct command_argument argument_maybe_shard_channels[] = {
    {"shardchannel", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};

// clang-format off: a group a line

const struct command *const command_groups[] = {
    acl_commands,          bitmap_commands,          channel_list_commands, client_control_commands,
    client_list_commands,  client_tracking_commands, cluster_commands,      command_commands,
    config_commands,       connection_commands,      dump_commands,         generic_commands,
    info_commands,         latency_commands,         lcs_commands,          lolwut_commands,
    memory_commands,       other_types_commands,     pubsub_commands,       scan_commands,
    server_commands,       slowlog_commands,         stele_commands,        string_commands,
    transactions_commands, unsupported_commands,     writes_commands,       NULL,
};
