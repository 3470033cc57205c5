// The handlers that rows of the command table name. Each is called with a request of the right
// arity, writes exactly one reply (nothing less, also when it fails) to the session's writer and
// says whether it is done.
#ifndef STELE_SERVE_HANDLERS_H
#define STELE_SERVE_HANDLERS_H

#include "serve/command.h"

// string.c
command_handler get_command, getrange_command, mget_command, strlen_command;
// generic.c
command_handler exists_command, randomkey_command, ttl_command, type_command, wait_command;
// stele.c
command_handler stele_count_command, stele_range_command;
// scan.c
command_handler keys_command, scan_command;
// connection.c
command_handler auth_command, client_getname_command, client_id_command, client_setinfo_command,
    client_setname_command, echo_command, hello_command, ping_command, quit_command,
    readonly_command, reset_command, select_command;
// cluster.c
command_handler asking_command, cluster_command, cluster_countkeysinslot_command,
    cluster_getkeysinslot_command, cluster_help_command, cluster_info_command,
    cluster_keyslot_command, cluster_myid_command, cluster_nodes_command, cluster_nothing_command,
    cluster_shards_command, cluster_slots_command;
// client.c
command_handler client_capa_command, client_info_command, client_kill_command, client_list_command,
    client_no_evict_command, client_no_touch_command, client_pause_command, client_reply_command,
    client_unblock_command, client_unpause_command;
// tracking.c
command_handler client_caching_command, client_getredir_command, client_tracking_command,
    client_trackinginfo_command;
// transactions.c
command_handler discard_command, exec_command, multi_command, unwatch_command, watch_command;
// pubsub.c
command_handler psubscribe_command, publish_command, punsubscribe_command, spublish_command,
    ssubscribe_command, subscribe_command, sunsubscribe_command, unsubscribe_command;
// channel_list.c
command_handler pubsub_channels_command, pubsub_numpat_command, pubsub_numsub_command,
    pubsub_shardchannels_command, pubsub_shardnumsub_command;
// server.c
command_handler dbsize_command, debug_command, lastsave_command, role_command, shutdown_command,
    time_command;
// command.c
command_handler command_command, command_count_command, command_docs_command,
    command_getkeys_command, command_getkeysandflags_command, command_info_command,
    command_list_command, help_command;
// config.c
command_handler config_get_command, config_resetstat_command, config_rewrite_command,
    config_set_command;
// info.c
command_handler info_command;
// latency.c
command_handler latency_doctor_command, latency_graph_command, latency_histogram_command,
    latency_history_command, latency_latest_command, latency_reset_command;
// slowlog.c
command_handler slowlog_get_command, slowlog_len_command, slowlog_reset_command;
// unsupported.c
command_handler function_list_command, function_stats_command, module_list_command, monitor_command,
    replconf_command, script_exists_command, script_flush_command, script_kill_command,
    sync_command, waitaof_command;
// acl.c
command_handler acl_cat_command, acl_dryrun_command, acl_fixed_command, acl_genpass_command,
    acl_getuser_command, acl_list_command, acl_log_command, acl_users_command, acl_whoami_command;
// bitmap.c
command_handler bitcount_command, bitfield_ro_command, bitpos_command, getbit_command;
// dump.c
command_handler dump_command, function_dump_command;
// lcs.c
command_handler lcs_command;
// lolwut.c
command_handler lolwut_command;
// memory.c
command_handler memory_doctor_command, memory_malloc_stats_command, memory_purge_command,
    memory_stats_command, memory_usage_command;
// object.c
command_handler object_encoding_command, object_freq_command, object_idletime_command,
    object_refcount_command;
// reload.c
command_handler stele_reload_command;
// type_reads.c
command_handler read_type_command, xread_command;

#endif
