// The list of all groups. To add a group, add a line here and a declaration in the header.
#include "commands/groups.h"

// clang-format off
const struct command *const command_groups[] = {
    acl_commands,
    bitmap_commands,
    channel_list_commands,
    client_control_commands,
    client_list_commands,
    client_tracking_commands,
    cluster_commands,
    cluster_keys_commands,
    command_commands,
    config_commands,
    connection_commands,
    dump_commands,
    generic_commands,
    info_commands,
    latency_commands,
    lcs_commands,
    lolwut_commands,
    memory_commands,
    other_types_commands,
    pubsub_commands,
    replication_commands,
    scan_commands,
    server_commands,
    slowlog_commands,
    stele_cluster_commands,
    stele_commands,
    string_commands,
    transactions_commands,
    unsupported_commands,
    writes_commands,
    NULL,
};
// clang-format on
