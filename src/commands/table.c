// The rows of the commands that are answered.
#include "commands/table.h"
#include "serve/handlers.h"

// clang-format off: rows are tables

static const struct command_argument one_key[] = {{"key", "key", NULL, 0, NULL}, {0}};
static const struct command_argument keys[] = {{"key", "key", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument one_message[] = {{"message", "string", NULL, 0, NULL}, {0}};
static const struct command_argument maybe_message[] = {
    {"message", "string", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument command_names[] = {
    {"command-name", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument command_line[] = {
    {"command", "string", NULL, 0, NULL},
    {"arg", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL},
    {0}};
static const struct command_argument list_filters[] = {{"module-name", "string", "MODULE", 0, NULL},
                                                       {"category", "string", "ACLCAT", 0, NULL},
                                                       {"pattern", "pattern", "PATTERN", 0, NULL},
                                                       {0}};
static const struct command_argument list_words[] = {
    {"filterby", "oneof", "FILTERBY", ARGUMENT_OPTIONAL, list_filters}, {0}};
static const struct command_argument one_pattern[] = {{"parameter", "string", NULL, 0, NULL}, {0}};
static const struct command_argument patterns[] = {
    {"parameter", "block", NULL, ARGUMENT_MULTIPLE, one_pattern}, {0}};
static const struct command_argument info_sections[] = {
    {"section", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument connection_name[] = {
    {"connection-name", "string", NULL, 0, NULL}, {0}};
static const struct command_argument db_index[] = {{"index", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument library[] = {
    {"libname", "string", "LIB-NAME", 0, NULL}, {"libver", "string", "LIB-VER", 0, NULL}, {0}};
static const struct command_argument library_attribute[] = {{"attr", "oneof", NULL, 0, library},
                                                            {0}};
static const struct command_argument auth_words[] = {
    {"username", "string", NULL, ARGUMENT_OPTIONAL, NULL, "6.0.0"},
    {"password", "string", NULL, 0, NULL},
    {0}};
static const struct command_argument credentials[] = {
    {"username", "string", NULL, 0, NULL}, {"password", "string", NULL, 0, NULL}, {0}};
static const struct command_argument hello_options[] = {
    {"protover", "integer", NULL, 0, NULL},
    {"username_password", "block", "AUTH", ARGUMENT_OPTIONAL, credentials},
    {"clientname", "string", "SETNAME", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument hello_words[] = {
    {"arguments", "block", NULL, ARGUMENT_OPTIONAL, hello_options}, {0}};
static const struct command_argument shutdown_modes[] = {
    {"nosave", "pure-token", "NOSAVE", 0, NULL}, {"save", "pure-token", "SAVE", 0, NULL}, {0}};
static const struct command_argument shutdown_words[] = {
    {"save-selector", "oneof", NULL, ARGUMENT_OPTIONAL, shutdown_modes},
    {"now", "pure-token", "NOW", ARGUMENT_OPTIONAL, NULL, "7.0.0"},
    {"force", "pure-token", "FORCE", ARGUMENT_OPTIONAL, NULL, "7.0.0"},
    {"abort", "pure-token", "ABORT", ARGUMENT_OPTIONAL, NULL, "7.0.0"},
    {0}};

static const struct command_argument key_and_range[] = {{"key", "key", NULL, 0, NULL},
                                                        {"start", "integer", NULL, 0, NULL},
                                                        {"end", "integer", NULL, 0, NULL},
                                                        {0}};
static const struct command_argument replicas_and_timeout[] = {
    {"numreplicas", "integer", NULL, 0, NULL}, {"timeout", "integer", NULL, 0, NULL}, {0}};

static const struct command_argument waitaof_words[] = {{"numlocal", "integer", NULL, 0, NULL},
                                                        {"numreplicas", "integer", NULL, 0, NULL},
                                                        {"timeout", "integer", NULL, 0, NULL},
                                                        {0}};
static const struct command_argument scan_words[] = {
    {"cursor", "integer", NULL, 0, NULL},
    {"pattern", "pattern", "MATCH", ARGUMENT_OPTIONAL, NULL},
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {"type", "string", "TYPE", ARGUMENT_OPTIONAL, NULL, "6.0.0"},
    {0}};

static const struct command_argument key_pattern[] = {{"pattern", "pattern", NULL, 0, NULL}, {0}};
static const struct command_argument range_bounds[] = {
    {"from", "string", NULL, 0, NULL}, {"to", "string", NULL, 0, NULL}, {0}};
static const struct command_argument psync_words[] = {
    {"replicationid", "string", NULL, 0, NULL}, {"offset", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument range_words[] = {
    {"from", "string", NULL, 0, NULL},
    {"to", "string", NULL, 0, NULL},
    {"count", "integer", "LIMIT", ARGUMENT_OPTIONAL, NULL},
    {"rev", "pure-token", "REV", ARGUMENT_OPTIONAL, NULL},
    {"withvalues", "pure-token", "WITHVALUES", ARGUMENT_OPTIONAL, NULL},
    {0}};

static const struct command_argument setting_and_value[] = {
    {"parameter", "string", NULL, 0, NULL}, {"value", "string", NULL, 0, NULL}, {0}};
static const struct command_argument settings_and_values[] = {
    {"parameter_value", "block", NULL, ARGUMENT_MULTIPLE, setting_and_value}, {0}};
static const struct command_argument one_event[] = {{"event", "string", NULL, 0, NULL}, {0}};
static const struct command_argument events[] = {
    {"event", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument latency_commands[] = {
    {"command", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument entry_count[] = {
    {"count", "integer", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};

static const struct command_argument caching_modes[] = {
    {"yes", "pure-token", "YES", 0, NULL}, {"no", "pure-token", "NO", 0, NULL}, {0}};
static const struct command_argument caching_words[] = {{"mode", "oneof", NULL, 0, caching_modes},
                                                        {0}};
static const struct command_argument on_off_words[] = {
    {"on", "pure-token", "ON", 0, NULL}, {"off", "pure-token", "OFF", 0, NULL}, {0}};
static const struct command_argument enabled_words[] = {{"enabled", "oneof", NULL, 0, on_off_words},
                                                        {0}};
static const struct command_argument capabilities[] = {
    {"capability", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument list_types[] = {{"normal", "pure-token", "NORMAL", 0, NULL},
                                                     {"master", "pure-token", "MASTER", 0, NULL},
                                                     {"replica", "pure-token", "REPLICA", 0, NULL},
                                                     {"pubsub", "pure-token", "PUBSUB", 0, NULL},
                                                     {0}};
static const struct command_argument client_ids[] = {
    {"client-id", "integer", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument client_list_words[] = {
    {"normal_master_replica_pubsub", "oneof", "TYPE", ARGUMENT_OPTIONAL, list_types},
    {"id", "block", "ID", ARGUMENT_OPTIONAL, client_ids},
    {0}};
static const struct command_argument kill_types[] = {
    {"normal", "pure-token", "NORMAL", 0, NULL}, {"master", "pure-token", "MASTER", 0, NULL},
    {"slave", "pure-token", "SLAVE", 0, NULL},   {"replica", "pure-token", "REPLICA", 0, NULL},
    {"pubsub", "pure-token", "PUBSUB", 0, NULL}, {0}};
static const struct command_argument kill_filters[] = {
    {"client-id", "integer", "ID", ARGUMENT_OPTIONAL, NULL},
    {"normal_master_slave_pubsub", "oneof", "TYPE", ARGUMENT_OPTIONAL, kill_types},
    {"username", "string", "USER", ARGUMENT_OPTIONAL, NULL},
    {"ip:port", "string", "ADDR", ARGUMENT_OPTIONAL, NULL},
    {"ip:port", "string", "LADDR", ARGUMENT_OPTIONAL, NULL},
    {"yes/no", "string", "SKIPME", ARGUMENT_OPTIONAL, NULL},
    {"maxage", "integer", "MAXAGE", ARGUMENT_OPTIONAL, NULL, "7.4.0"},
    {0}};
static const struct command_argument kill_forms[] = {
    {"ip:port", "string", NULL, 0, NULL},
    {"new-format", "oneof", NULL, ARGUMENT_MULTIPLE, kill_filters},
    {0}};
static const struct command_argument kill_words[] = {{"filter", "oneof", NULL, 0, kill_forms}, {0}};
static const struct command_argument pause_modes[] = {
    {"write", "pure-token", "WRITE", 0, NULL}, {"all", "pure-token", "ALL", 0, NULL}, {0}};
static const struct command_argument pause_words[] = {
    {"timeout", "integer", NULL, 0, NULL},
    {"mode", "oneof", NULL, ARGUMENT_OPTIONAL, pause_modes},
    {0}};
static const struct command_argument reply_modes[] = {{"on", "pure-token", "ON", 0, NULL},
                                                      {"off", "pure-token", "OFF", 0, NULL},
                                                      {"skip", "pure-token", "SKIP", 0, NULL},
                                                      {0}};
static const struct command_argument reply_words[] = {
    {"on_off_skip", "oneof", NULL, 0, reply_modes}, {0}};
static const struct command_argument tracking_states[] = {
    {"on", "pure-token", "ON", 0, NULL}, {"off", "pure-token", "OFF", 0, NULL}, {0}};
static const struct command_argument tracking_words[] = {
    {"status", "oneof", NULL, 0, tracking_states},
    {"client-id", "integer", "REDIRECT", ARGUMENT_OPTIONAL, NULL},
    {"prefix", "string", "PREFIX", ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE | ARGUMENT_MULTIPLE_TOKEN,
     NULL},
    {"bcast", "pure-token", "BCAST", ARGUMENT_OPTIONAL, NULL},
    {"optin", "pure-token", "OPTIN", ARGUMENT_OPTIONAL, NULL},
    {"optout", "pure-token", "OPTOUT", ARGUMENT_OPTIONAL, NULL},
    {"noloop", "pure-token", "NOLOOP", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument unblock_modes[] = {
    {"timeout", "pure-token", "TIMEOUT", 0, NULL}, {"error", "pure-token", "ERROR", 0, NULL}, {0}};
static const struct command_argument unblock_words[] = {
    {"client-id", "integer", NULL, 0, NULL},
    {"timeout_error", "oneof", NULL, ARGUMENT_OPTIONAL, unblock_modes},
    {0}};
static const struct command_argument channels[] = {
    {"channel", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument shard_channels[] = {
    {"shardchannel", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument maybe_channels[] = {
    {"channel", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument maybe_shard_channels[] = {
    {"shardchannel", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument channel_patterns_inner[] = {
    {"pattern", "pattern", NULL, 0, NULL}, {0}};
static const struct command_argument channel_patterns[] = {
    {"pattern", "block", NULL, ARGUMENT_MULTIPLE, channel_patterns_inner}, {0}};
static const struct command_argument maybe_channel_patterns[] = {
    {"pattern", "pattern", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument maybe_channel_pattern[] = {
    {"pattern", "pattern", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument publication[] = {
    {"channel", "string", NULL, 0, NULL}, {"message", "string", NULL, 0, NULL}, {0}};
static const struct command_argument shard_publication[] = {
    {"shardchannel", "string", NULL, 0, NULL}, {"message", "string", NULL, 0, NULL}, {0}};
static const struct command_argument acl_cat_words[] = {
    {"categoryname", "string", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument acl_dryrun_words[] = {
    {"username", "string", NULL, 0, NULL},
    {"command", "string", NULL, 0, NULL},
    {"arg", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL},
    {0}};
static const struct command_argument acl_genpass_words[] = {
    {"bits", "integer", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument one_user[] = {{"username", "string", NULL, 0, NULL}, {0}};
static const struct command_argument count_or_reset[] = {
    {"count", "integer", NULL, 0, NULL}, {"reset", "pure-token", "RESET", 0, NULL}, {0}};
static const struct command_argument acl_log_words[] = {
    {"operation", "oneof", NULL, ARGUMENT_OPTIONAL, count_or_reset}, {0}};
static const struct command_argument memory_usage_words[] = {
    {"key", "key", NULL, 0, NULL}, {"count", "integer", "SAMPLES", ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument script_exists_words[] = {
    {"sha1", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument async_or_sync[] = {
    {"async", "pure-token", "ASYNC", 0, NULL}, {"sync", "pure-token", "SYNC", 0, NULL}, {0}};
static const struct command_argument script_flush_words[] = {
    {"async", "oneof", NULL, ARGUMENT_OPTIONAL, async_or_sync}, {0}};
static const struct command_argument byte_or_bit[] = {
    {"byte", "pure-token", "BYTE", 0, NULL}, {"bit", "pure-token", "BIT", 0, NULL}, {0}};
static const struct command_argument bit_range[] = {
    {"start", "integer", NULL, 0, NULL},
    {"end", "integer", NULL, 0, NULL},
    {"index_unit", "oneof", NULL, ARGUMENT_OPTIONAL, byte_or_bit},
    {0}};
static const struct command_argument bitcount_words[] = {
    {"key", "key", NULL, 0, NULL}, {"index", "block", NULL, ARGUMENT_OPTIONAL, bit_range}, {0}};
static const struct command_argument encoding_and_offset[] = {
    {"encoding", "string", NULL, 0, NULL}, {"offset", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument bitfield_ro_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"encoding_offset", "block", "GET", ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, encoding_and_offset},
    {0}};
static const struct command_argument bitpos_range[] = {
    {"start", "integer", NULL, 0, NULL},
    {"end", "integer", NULL, ARGUMENT_OPTIONAL, NULL},
    {"index_unit", "oneof", NULL, ARGUMENT_OPTIONAL, byte_or_bit},
    {0}};
static const struct command_argument bitpos_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"bit", "integer", NULL, 0, NULL},
    {"index", "block", NULL, ARGUMENT_OPTIONAL, bitpos_range},
    {0}};
static const struct command_argument key_and_offset[] = {
    {"key", "key", NULL, 0, NULL}, {"offset", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument lcs_words[] = {
    {"key1", "key", NULL, 0, NULL},
    {"key2", "key", NULL, 0, NULL},
    {"len", "pure-token", "LEN", ARGUMENT_OPTIONAL, NULL},
    {"idx", "pure-token", "IDX", ARGUMENT_OPTIONAL, NULL},
    {"len", "integer", "MINMATCHLEN", ARGUMENT_OPTIONAL, NULL},
    {"withmatchlen", "pure-token", "WITHMATCHLEN", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument lolwut_words[] = {
    {"version", "integer", "VERSION", ARGUMENT_OPTIONAL, NULL}, {0}};

// ---- what versions of Redis changed -------------------------------------------------------------

static const struct command_change auth_history[] = {
    {"6.0.0", "Takes a user name before the password"}, {0}};
static const struct command_change client_kill_history[] = {
    {"2.8.12", "Takes filters, among them `ID`"},
    {"3.2.0", "Knows the type `MASTER`"},
    {"5.0.0", "Knows the type `REPLICA`, which `SLAVE` is another word for"},
    {"6.2.0", "Takes `LADDR`"},
    {"7.4.0", "Takes `MAXAGE`"},
    {0}};
static const struct command_change client_list_history[] = {
    {"2.8.12", "Tells the id"},
    {"5.0.0", "Takes `TYPE`"},
    {"6.0.0", "Tells the user"},
    {"6.2.0", "Takes `ID`; tells `argv-mem`, `tot-mem`, `laddr` and `redir`"},
    {"7.0.0", "Tells `resp`, `multi-mem`, `rbs` and `rbp`"},
    {"7.0.3", "Tells `ssub`"},
    {0}};
static const struct command_change client_pause_history[] = {{"6.2.0", "Takes `WRITE` and `ALL`"},
                                                             {0}};
static const struct command_change command_info_history[] = {
    {"7.0.0", "Without names, tells of all commands"}, {0}};
static const struct command_change config_get_history[] = {{"7.0.0", "Takes several patterns"},
                                                           {0}};
static const struct command_change exists_history[] = {{"3.0.3", "Takes several keys"}, {0}};
static const struct command_change hello_history[] = {
    {"6.2.0", "Without arguments, tells of the server and changes nothing"}, {0}};
static const struct command_change info_history[] = {{"7.0.0", "Takes several sections"}, {0}};
static const struct command_change scan_history[] = {{"6.0.0", "Takes `TYPE`"}, {0}};
static const struct command_change shutdown_history[] = {
    {"7.0.0", "Takes `NOW`, `FORCE` and `ABORT`"}, {0}};
static const struct command_change ttl_history[] = {
    {"2.8.0", "Answers -2 when there is no such key"}, {0}};

#define REPLICATION_DEVIATION                                                                      \
    "Always `NOMASTERLINK`, before `AUTH` too: a redis-server that is told to replicate from "     \
    "here "                                                                                        \
    "then tries again once a second, and not at once."

// ---- the rows -----------------------------------------------------------------------------------

static const struct command acl_rows[] = {
    {"cat", -2, SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_cat_command,
     "The categories of commands, or the commands of one", "O(N) where N is the number of commands",
     NULL, acl_cat_words,
     .deviation = "The commands of a category come in the order of the table."},
    {"deluser", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Refused: the only user is fixed", "O(1)", .deviation = "An error: the only user is fixed."},
    {"dryrun", -4, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "7.0.0", 0, acl_dryrun_command,
     "Whether a user may run a command; the only one may run any", "O(1)", NULL, acl_dryrun_words},
    {"genpass", -2, SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_genpass_command,
     "A random password in hexadecimal, of so many bits or of 256", "O(1)", NULL,
     acl_genpass_words},
    {"getuser", 3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_getuser_command,
     "What a user may do", "O(1)", NULL, one_user,
     .deviation = "The hash of the password is not told."},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "6.0.0", 0, help_command, "These lines",
     "O(1)"},
    {"list", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_list_command,
     "All users as rules: the one that there is", "O(1)",
     .deviation = "The hash of the password is not told."},
    {"load", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Refused: the only user is fixed", "O(1)", .deviation = "An error: the only user is fixed."},
    {"log", -2, ADMIN | SUBCOMMAND | ADMINISTRATIVE_IN_PART, NO_KEYS, GROUP_SERVER, "6.0.0", 0,
     acl_log_command, "Always empty: what is refused here is not refused to a user", "O(1)", NULL,
     acl_log_words,
     .deviation = "`RESET` is for who may use administrative commands, though there is nothing to "
                  "forget."},
    {"save", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Refused: the only user is fixed", "O(1)", .deviation = "An error: the only user is fixed."},
    {"setuser", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Refused: the only user is fixed", "O(1)", .deviation = "An error: the only user is fixed."},
    {"users", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_users_command,
     "The names of all users", "O(1)"},
    {"whoami", 2, SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_whoami_command,
     "The name of the user of this connection", "O(1)"},
    {0},
};

static const struct command client_rows[] = {
    {"caching", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.0.0", 0, client_caching_command,
     "Says of the next command whether its keys are to be tracked; all are, always", "O(1)", NULL,
     caching_words,
     .deviation = "Checked and told as by Redis, but a replaced dataset is told to every client "
                  "that tracks, as all it may have cached is void."},
    {"capa", -3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "8.0.0", 0, client_capa_command,
     "Notes what the client can do; nothing depends on it", "O(1)", NULL, capabilities,
     .deviation = "Redis 7.0 does not have it."},
    {"getname", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.6.9", 0, client_getname_command,
     "The name of this connection", "O(1)"},
    {"getredir", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.0.0", 0, client_getredir_command,
     "The client that invalidations are redirected to: 0 for none, -1 without tracking", "O(1)"},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0, help_command, "These lines",
     "O(1)"},
    {"id", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0, client_id_command,
     "The number of this connection, unique for as long as the server runs", "O(1)"},
    {"info", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.2.0", 0, client_info_command,
     "This connection's line of CLIENT LIST", "O(1)", "nondeterministic_output",
     .deviation = "The fields are those of `CLIENT LIST`."},
    {"kill", -3, ADMIN | SUBCOMMAND | ADMINISTRATIVE_IN_PART, NO_KEYS, GROUP_CONNECTION, "2.4.0", 0,
     client_kill_command, "Closes connections: that of an address, or all that every filter fits",
     "O(N) where N is the number of connections", NULL, kill_words, .history = client_kill_history,
     .deviation = "At most 32 words of filters. A client that may not use administrative commands "
                  "may close itself; when others would be closed, it is refused."},
    {"list", -2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.4.0", 0, client_list_command,
     "A line for each connection, of all loops", "O(N) where N is the number of connections",
     "nondeterministic_output", client_list_words, .history = client_list_history,
     .deviation = "Clients come in the order of their ids within each loop, one loop after the "
                  "other, also those asked for by `ID` (at most 1,024), each once. The fields are "
                  "those of Redis 7.4, and `io-thread` of Redis 8. A client that waits for the "
                  "end of a pause has the flag `b`."},
    {"no-evict", 3, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_CONNECTION, "7.0.0", 0,
     client_no_evict_command, "Whether other connections are closed first when memory is short",
     "O(1)", NULL, enabled_words,
     .deviation =
         "When the connections that say `ON` exceed `maxmemory-clients` by themselves, they "
         "are closed, too: the limit always holds."},
    {"no-touch", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "7.2.0", 0, client_no_touch_command,
     "OK, as nothing notes when a key was read", "O(1)", NULL, enabled_words,
     .deviation = "Redis 7.0 does not have it."},
    {"pause", -3, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_CONNECTION, "2.9.50", 0,
     client_pause_command, "Answers no command of any connection for so many milliseconds", "O(1)",
     NULL, pause_words, .history = client_pause_history,
     .deviation =
         "`WRITE` pauses nothing, as writes are refused. `AUTH`, `HELLO`, `QUIT`, `RESET` and "
         "`CLIENT UNPAUSE` are answered during the pause, in the order in which a client sends "
         "its commands. More milliseconds than time can hold are an error, as since Redis 7.2."},
    {"reply", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "3.2.0", 0, client_reply_command,
     "Whether this connection gets replies: ON, OFF, or not to the next command", "O(1)", NULL,
     reply_words},
    {"setinfo", 4, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "7.2.0", 0, client_setinfo_command,
     "Notes which client library speaks here", "O(1)", NULL, library_attribute,
     .deviation = "Redis 7.0 does not have it; clients send it when they connect."},
    {"setname", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.6.9", 0, client_setname_command,
     "Names this connection", "O(1)", NULL, connection_name},
    {"tracking", -3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.0.0", 0, client_tracking_command,
     "Whether this connection is told when what it may have cached is void",
     "O(1), but O(N) for N prefixes", NULL, tracking_words,
     .deviation = "No key ever changes by itself, so the only invalidation is that of all keys, "
                  "when the dataset is replaced: once to every client that tracks, whatever it has "
                  "read and whichever prefixes it has named. At most 128 prefixes, each of at most "
                  "1,024 bytes."},
    {"trackinginfo", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.2.0", 0,
     client_trackinginfo_command, "What CLIENT TRACKING has been told", "O(1)"},
    {"unblock", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0,
     client_unblock_command, "0, as no connection ever blocks", "O(1)", NULL, unblock_words},
    {"unpause", 2, ADMIN | SUBCOMMAND | ADMINISTRATIVE | UNPAUSED, NO_KEYS, GROUP_CONNECTION,
     "6.2.0", 0, client_unpause_command, "Ends CLIENT PAUSE",
     "O(N) where N is the number of connections"},
    {0},
};

static const struct command cluster_rows[] = {
    {"addslots", -3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"addslotsrange", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "7.0.0",
     IN_SLOW, cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"bumpepoch", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)",
     "nondeterministic_output"},
    {"count-failure-reports", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)",
     "nondeterministic_output"},
    {"countkeysinslot", 3, STALE | ORDERED, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_countkeysinslot_command, "How many keys of that slot there are",
     "O(N) where N is the number of keys"},
    {"delslots", -3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"delslotsrange", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "7.0.0",
     IN_SLOW, cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"failover", -2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"flushslots", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"forget", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"getkeysinslot", 4, STALE | ORDERED, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_getkeysinslot_command, "Some keys of that slot", "O(N) where N is the number of keys",
     "nondeterministic_output"},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_CLUSTER, "5.0.0", IN_SLOW, cluster_help_command,
     "These lines", "O(1)"},
    {"info", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_info_command,
     "State of the cluster", "O(1)", "nondeterministic_output"},
    {"keyslot", 3, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_keyslot_command,
     "The slot of a key", "O(1)"},
    {"links", 2, STALE, NO_KEYS, GROUP_CLUSTER, "7.0.0", IN_SLOW, cluster_nothing_command,
     "Nothing, as there are no other nodes", "O(1)", "nondeterministic_output"},
    {"meet", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"myid", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_myid_command,
     "The name of this node", "O(1)"},
    {"nodes", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_nodes_command,
     "The same as text", "O(1)", "nondeterministic_output"},
    {"replicas", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "5.0.0", IN_SLOW,
     cluster_nothing_command, "Nothing, as there are no replicas", "O(1)",
     "nondeterministic_output"},
    {"replicate", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"reset", -2, ADMIN | NOSCRIPT | STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"saveconfig", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"set-config-epoch", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"setslot", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_command, "An error, as the cluster does not change", "O(1)"},
    {"shards", 2, STALE, NO_KEYS, GROUP_CLUSTER, "7.0.0", IN_SLOW, cluster_shards_command,
     "The same with more about the node", "O(1)", "nondeterministic_output"},
    {"slaves", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_nothing_command,
     "`CLUSTER REPLICAS` by its old name", "O(1)", "nondeterministic_output",
     .doc_flags = "deprecated", .deprecated_since = "5.0.0", .replaced_by = "`CLUSTER REPLICAS`"},
    {"slots", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_slots_command,
     "Which node owns which slots: this one, all", "O(1)", "nondeterministic_output",
     .doc_flags = "deprecated", .deprecated_since = "7.0.0", .replaced_by = "`CLUSTER SHARDS`"},
    {0},
};

static const struct command command_rows[] = {
    {"count", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_count_command, "How many commands there are", "O(1)"},
    {"docs", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "7.0.0", IN_CONNECTION,
     command_docs_command, "Documentation of some or all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order", command_names,
     .deviation = "The words are Stele's own, and those of refused writes say no more than "
                  "that. As in Redis 7.2, each argument has a `display_text`."},
    {"getkeys", -4, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_getkeys_command, "The keys among the words of a command",
     "O(N) where N is the number of words", NULL, command_line,
     .deviation = "Knows the commands of Stele only. Where keys must be searched for, as "
                  "behind `STREAMS`, it takes at most 4,096 words."},
    {"getkeysandflags", -4, LOADING | STALE, NO_KEYS, GROUP_SERVER, "7.0.0", IN_CONNECTION,
     command_getkeysandflags_command,
     "The keys among the words of a command, and what becomes of each",
     "O(N) where N is the number of words", NULL, command_line,
     .deviation = "The same as of `COMMAND GETKEYS`."},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", IN_CONNECTION, help_command,
     "These lines", "O(1)"},
    {"info", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_info_command, "Arity, flags and keys of some or all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order", command_names,
     .history = command_info_history},
    {"list", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "7.0.0", IN_CONNECTION,
     command_list_command, "The names of all commands, or of those that a filter lets through",
     "O(N) where N is the number of commands", "nondeterministic_output_order", list_words,
     .deviation = "Patterns are of at most 1,024 bytes, as a match takes time in proportion to "
                  "them. `FILTERBY MODULE stele` lists the commands that Redis does not have."},
    {0},
};

static const struct command config_rows[] = {
    {"get", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.0.0", 0, config_get_command,
     "The values of the options that match the patterns", "O(N) where N is the number of options",
     NULL, patterns, .history = config_get_history,
     .deviation = "The options are Stele's under Redis's names, and those of Redis that tools "
                  "ask for. At most 4,096 bytes of patterns, as matching them is one step."},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", 0, help_command, "These lines",
     "O(1)"},
    {"resetstat", 2, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.0.0", 0,
     config_resetstat_command, "Sets the counters in INFO to 0",
     "O(N) where N is the number of commands and of event loops"},
    {"rewrite", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.0", 0, config_rewrite_command,
     "An error, as there is no configuration file", "O(1)"},
    {"set", -4, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.0.0", 0,
     config_set_command, "Changes options that can change while the server runs, all or none",
     "O(N) where N is the number of options given",
     "request_policy:all_nodes response_policy:all_succeeded", settings_and_values},
    {0},
};

static const struct command latency_rows[] = {
    {"doctor", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0, latency_doctor_command,
     "What took long, in words", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"graph", 3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0, latency_graph_command,
     "The samples of a kind of event as a picture", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special", one_event},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", 0, help_command, "These lines",
     "O(1)"},
    {"histogram", -2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "7.0.0", 0,
     latency_histogram_command, "How long the calls of some or all commands took",
     "O(N) where N is the number of commands and of event loops",
     "nondeterministic_output request_policy:all_nodes response_policy:special", latency_commands},
    {"history", 3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0, latency_history_command,
     "The samples of a kind of event", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special", one_event},
    {"latest", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0, latency_latest_command,
     "The last sample of each kind of event, and the longest", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"reset", -2, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.8.13", 0,
     latency_reset_command, "Forgets the samples of some or all kinds of event; of how many",
     "O(1)", "request_policy:all_nodes response_policy:all_succeeded", events},
    {0},
};

static const struct command slowlog_rows[] = {
    {"get", -2, ADMIN | LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.2.12", 0, slowlog_get_command,
     "Commands that took long, the last ones first", "O(N) where N is the number of entries",
     "request_policy:all_nodes nondeterministic_output", entry_count},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "6.2.0", 0, help_command, "These lines",
     "O(1)"},
    {"len", 2, ADMIN | LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.2.12", 0, slowlog_len_command,
     "How many commands the slow log holds", "O(1)",
     "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {"reset", 2, ADMIN | LOADING | STALE | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.2.12", 0,
     slowlog_reset_command, "Empties the slow log", "O(1)",
     "request_policy:all_nodes response_policy:all_succeeded"},
    {0},
};

static const struct command pubsub_rows[] = {
    {"channels", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0,
     pubsub_channels_command, "The channels that somebody listens to",
     "O(N) where N is the number of subscriptions", NULL, maybe_channel_pattern,
     .deviation =
         "In order; an error when the names that clients have subscribed to take more than "
         "1 MiB. Patterns are of at most 1,024 bytes."},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "6.2.0", 0, help_command, "These lines",
     "O(1)"},
    {"numpat", 2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0,
     pubsub_numpat_command, "How many different patterns are subscribed to",
     "O(N) where N is the number of subscriptions"},
    {"numsub", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0,
     pubsub_numsub_command, "How many listen to each of the channels",
     "O(N) where N is the number of subscriptions", NULL, maybe_channels},
    {"shardchannels", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "7.0.0", 0,
     pubsub_shardchannels_command, "The shard channels that somebody listens to",
     "O(N) where N is the number of subscriptions", NULL, maybe_channel_pattern,
     .deviation = "The same as of `PUBSUB CHANNELS`."},
    {"shardnumsub", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "7.0.0", 0,
     pubsub_shardnumsub_command, "How many listen to each of the shard channels",
     "O(N) where N is the number of subscriptions", NULL, maybe_shard_channels},
    {0},
};

#define TRANSACTION (NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
#define SUBSCRIPTION (PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBED)
static const struct command memory_rows[] = {
    {"doctor", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_doctor_command,
     "Advice about memory", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special",
     .deviation = "The text is of our own."},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "4.0.0", 0, help_command, "These lines",
     "O(1)"},
    {"malloc-stats", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_malloc_stats_command,
     "Says that the allocator has no statistics", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special",
     .deviation = "Says, like a Redis without jemalloc, that there are none."},
    {"purge", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_purge_command,
     "OK: there is nothing to give back", "O(1)",
     "request_policy:all_shards response_policy:all_succeeded"},
    {"stats", 2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, memory_stats_command, "Where memory goes",
     "O(1)", "nondeterministic_output request_policy:all_shards response_policy:special",
     .deviation = "The fields that mean something here: `dataset.bytes` is the size of the "
                  "file, `overhead.total` that of the index."},
    {"usage", -3, READONLY, SECOND_KEY, "RO", GROUP_SERVER, "4.0.0", 0, memory_usage_command,
     "The bytes of a key: its line in the file and its share of the index", "O(1)", NULL,
     memory_usage_words,
     .deviation = "The bytes of the line in the file and a share of the index, which is "
                  "what a key takes here; at most 30 times `SAMPLES`."},
    {0},
};

static const struct command module_rows[] = {
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", 0, help_command, "These lines",
     "O(1)"},
    {"list", 2, ADMIN | NOSCRIPT, NO_KEYS, GROUP_SERVER, "4.0.0", 0, module_list_command,
     "The modules that are loaded: none", "O(1)", "nondeterministic_output_order"},
    {"load", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, NO_KEYS, GROUP_SERVER, "4.0.0", 0,
     NULL, "An error, as there are no modules", "O(1)"},
    {"loadex", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, NO_KEYS, GROUP_SERVER, "7.0.0",
     0, NULL, "Refused", "O(1)"},
    {"unload", 3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, NO_KEYS, GROUP_SERVER, "4.0.0",
     0, NULL, "Refused", "O(1)"},
    {0},
};

static const struct command object_rows[] = {
    {"encoding", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "2.2.3", 0, object_encoding_command,
     "The encoding that Redis would choose for the value", "O(1)", "nondeterministic_output",
     one_key},
    {"freq", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "4.0.0", 0, object_freq_command,
     "Error: nobody counts how often a key is asked for", "O(1)", "nondeterministic_output",
     one_key},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_GENERIC, "6.2.0", 0, help_command, "These lines",
     "O(1)"},
    {"idletime", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "2.2.3", 0, object_idletime_command,
     "0: nothing notes when a key was asked for", "O(1)", "nondeterministic_output", one_key,
     .deviation = "0, as nothing notes when a key was read."},
    {"refcount", 3, READONLY, SECOND_KEY, "RO", GROUP_GENERIC, "2.2.3", 0, object_refcount_command,
     "How many references Redis would hold to the value", "O(1)", "nondeterministic_output",
     one_key},
    {0},
};

static const struct command script_rows[] = {
    {"exists", -3, NOSCRIPT, NO_KEYS, GROUP_SCRIPTING, "2.6.0", 0, script_exists_command,
     "0 for each script", "O(N) where N is the number of scripts",
     "request_policy:all_shards response_policy:agg_logical_and", script_exists_words},
    {"flush", -2, NOSCRIPT, NO_KEYS, GROUP_SCRIPTING, "2.6.0", 0, script_flush_command,
     "OK: there is no script to forget", "O(1)",
     "request_policy:all_nodes response_policy:all_succeeded", script_flush_words},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SCRIPTING, "5.0.0", 0, help_command, "These lines",
     "O(1)"},
    {"kill", 2, NOSCRIPT | ALLOW_BUSY, NO_KEYS, GROUP_SCRIPTING, "2.6.0", 0, script_kill_command,
     "Error: no script is running", "O(1)",
     "request_policy:all_shards response_policy:one_succeeded"},
    {0},
};

const struct command command_table[] = {
    {"acl", -2, 0, NO_KEYS, GROUP_SERVER, "6.0.0", 0, NULL,
     "Commands about users and what they may do; there is one user, and it is fixed", NULL,
     .subcommands = acl_rows},
    {"asking", 1, FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, asking_command,
     "OK in a cluster, an error without one", "O(1)"},
    {"auth", -2, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | UNPAUSED, NO_KEYS,
     GROUP_CONNECTION, "1.0.0", 0, auth_command, "Authenticates this connection", "O(1)", NULL,
     auth_words, .history = auth_history},
    {"bitcount", -2, READONLY, ONE_KEY, "RO access", GROUP_BITMAP, "2.6.0", 0, bitcount_command,
     "How many bits of a value are set, or of a part of it",
     "O(N) where N is the length of the part", NULL, bitcount_words},
    {"bitfield_ro", -2, READONLY | FAST, ONE_KEY, "RO access", GROUP_BITMAP, "6.0.0", 0,
     bitfield_ro_command, "Integers of any width out of a value",
     "O(N) where N is the number of integers", NULL, bitfield_ro_words},
    {"bitpos", -3, READONLY, ONE_KEY, "RO access", GROUP_BITMAP, "2.8.7", 0, bitpos_command,
     "Where the first set or clear bit of a value is", "O(N) where N is the length of the part",
     NULL, bitpos_words},
    {"client", -2, KEEPS_CACHING, NO_KEYS, GROUP_CONNECTION, "2.4.0", 0, NULL,
     "Commands about client connections", NULL, .subcommands = client_rows},
    {"cluster", -2, 0, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, NULL, "Commands about the cluster",
     NULL, .subcommands = cluster_rows,
     .deviation = "With `--cluster-enabled yes` there is a cluster of one node that owns every "
                  "slot, for clients that speak to nothing else; it does not change."},
    {"command", -1, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_command, "Arity, flags and keys of all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order",
     .subcommands = command_rows,
     .deviation = "Lists the commands of Stele. Refused writes are among them, so that clients "
                  "find their keys."},
    {"config", -2, 0, NO_KEYS, GROUP_SERVER, "2.0.0", 0, NULL,
     "Commands about the options of the server", NULL, .subcommands = config_rows},
    {"dbsize", 1, READONLY | FAST, NO_KEYS, GROUP_SERVER, "1.0.0", IN_KEYSPACE, dbsize_command,
     "How many keys there are", "O(1)", "request_policy:all_shards response_policy:agg_sum"},
    {"debug", -2, ADMIN | SUBCOMMAND | PROTECTED | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "1.0.0",
     0, debug_command, "For tests, refused unless enabled: SLEEP blocks the loop for some seconds",
     "O(1)", .doc_flags = "syscmd",
     .deviation =
         "`ERROR`, `HELP`, `PROTOCOL`, `SET-ACTIVE-EXPIRE` and `SLEEP` are all there is, and only "
         "with `--enable-debug-command`. The text of an error is cut at 1,023 bytes."},
    {"discard", 1, TRANSACTION | AT_ONCE, NO_KEYS, GROUP_TRANSACTIONS, "2.0.0", 0, discard_command,
     "Forgets what has been queued since MULTI", "O(N) where N is the number of commands"},
    {"dump", 2, READONLY, ONE_KEY, "RO access", GROUP_GENERIC, "2.6.0", 0, dump_command,
     "The value of a key, in the form that RESTORE of Redis takes",
     "O(N) where N is the length of the value", "nondeterministic_output", one_key,
     .deviation = "Never compressed, which `RESTORE` takes."},
    {"echo", 2, LOADING | STALE | FAST, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, echo_command,
     "Answers the message", "O(1)", NULL, one_message},
    {"exec", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | AT_ONCE, NO_KEYS, GROUP_TRANSACTIONS,
     "1.2.0", 0, exec_command, "Runs what has been queued since MULTI", "As what it runs",
     .deviation = "Other clients are served between the commands, which nobody can tell, as no "
                  "key changes."},
    {"exists", -2, READONLY | FAST, ALL_KEYS, "RO", GROUP_GENERIC, "1.0.0", 0, exists_command,
     "How many of the keys exist; one that is named twice counts twice",
     "O(N) where N is the number of keys", "request_policy:multi_shard response_policy:agg_sum",
     keys, .history = exists_history},
    {"expiretime", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "7.0.0", 0, ttl_command,
     "-1, as no key expires; -2 when there is none", "O(1)", NULL, one_key},
    {"get", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_STRING, "1.0.0", 0, get_command,
     "The value of a key", "O(1)", NULL, one_key},
    {"getbit", 3, READONLY | FAST, ONE_KEY, "RO access", GROUP_BITMAP, "2.2.0", 0, getbit_command,
     "A bit of a value", "O(1)", NULL, key_and_offset},
    {"getrange", 4, READONLY, ONE_KEY, "RO access", GROUP_STRING, "2.4.0", 0, getrange_command,
     "A part of the value of a key", "O(N) where N is the length of the part", NULL, key_and_range},
    {"hello", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | UNPAUSED, NO_KEYS,
     GROUP_CONNECTION, "6.0.0", 0, hello_command,
     "Chooses the protocol, may authenticate and name the connection, and tells of the server",
     "O(1)", NULL, hello_words, .history = hello_history,
     .deviation = "`role` is `master`: clients that look for a primary refuse a replica, even "
                  "to read. `version` is 7.4.0, by which clients choose what to use."},
    {"info", -1, LOADING | STALE, NO_KEYS, GROUP_SERVER, "1.0.0", IN_DANGEROUS, info_command,
     "State and counters of the server", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special", info_sections,
     .history = info_history,
     .deviation = "The role is `master`, as in `HELLO`; there are fields of Stele's own, and "
                  "none of what it does not have."},
    {"keys", 2, READONLY | ORDERED, NO_KEYS, GROUP_GENERIC, "1.0.0", IN_KEYSPACE | IN_DANGEROUS,
     keys_command, "All keys that match a pattern, in order",
     "O(N) where N is the number of keys, or of those that begin as the pattern does",
     "request_policy:all_shards nondeterministic_output_order", key_pattern,
     .deviation = "Keys come in order, and other clients are served meanwhile. Like a key, a "
                  "pattern may be written in either case. It is of at most 1,024 bytes, as a match "
                  "takes time in proportion to them. The count is sent first: nulls stand for keys "
                  "whose lines were overwritten since."},
    {"lastsave", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "1.0.0", IN_ADMIN | IN_DANGEROUS,
     lastsave_command, "When the index was built, in seconds since 1970", "O(1)",
     "nondeterministic_output",
     .deviation = "When the index was built, as nothing else is ever saved."},
    {"latency", -2, 0, NO_KEYS, GROUP_SERVER, "2.8.13", 0, NULL,
     "Commands about what took long and how long calls take", NULL, .subcommands = latency_rows},
    {"lcs", -3, READONLY, TWO_KEYS, "RO access", GROUP_STRING, "7.0.0", 0, lcs_command,
     "The longest common subsequence of two values",
     "O(N*M) where N and M are the lengths of the values", NULL, lcs_words,
     .deviation = "Values are of at most 64 KiB each, and their lengths of a product of at "
                  "most 4,194,304, as time and memory are in proportion to it; at most 64 "
                  "option words."},
    {"lolwut", -1, READONLY | FAST, NO_KEYS, GROUP_SERVER, "5.0.0", 0, lolwut_command,
     "A small picture, and the version of the server", "O(1)", NULL, lolwut_words,
     .deviation = "Another picture, and the version of Stele."},
    {"memory", -2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, NULL, "Commands about memory", NULL,
     .subcommands = memory_rows},
    {"mget", -2, READONLY | FAST, ALL_KEYS, "RO access", GROUP_STRING, "1.0.0", 0, mget_command,
     "The values of keys, in order", "O(N) where N is the number of keys",
     "request_policy:multi_shard", keys},
    {"module", -2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, NULL, "Commands about modules", NULL,
     .subcommands = module_rows},
    {"monitor", 1, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "1.0.0", 0, monitor_command,
     "Refused: it would show the requests of other clients", "O(1)",
     .deviation = "Refused with `NOPERM`, as a client would see the requests of others."},
    {"multi", 1, TRANSACTION | AT_ONCE, NO_KEYS, GROUP_TRANSACTIONS, "1.2.0", 0, multi_command,
     "Queues the commands up to EXEC", "O(1)",
     .deviation = "A client that queues more than 64 MiB is closed."},
    {"object", -2, 0, NO_KEYS, GROUP_GENERIC, "2.2.3", IN_SLOW, NULL,
     "Commands about how values are stored", NULL, .subcommands = object_rows},
    {"pexpiretime", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "7.0.0", 0,
     ttl_command, "-1, as no key expires; -2 when there is none", "O(1)", NULL, one_key},
    {"ping", -1, FAST | SUBSCRIBED, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, ping_command,
     "Answers PONG, or the message", "O(1)",
     "request_policy:all_shards response_policy:all_succeeded", maybe_message},
    {"psubscribe", -2, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, psubscribe_command,
     "Listens to all channels that a pattern matches", "O(N) where N is the number of patterns",
     NULL, channel_patterns, .deviation = "The same as of `SUBSCRIBE`; at most 64 patterns."},
    {"pttl", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "2.6.0", 0, ttl_command,
     "-1, as no key expires; -2 when there is none", "O(1)", "nondeterministic_output", one_key,
     .history = ttl_history},
    {"psync", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI | STRANGERS, NO_KEYS, GROUP_SERVER,
     "2.8.0", 0, sync_command, "Refused: there is no replication", "O(1)", NULL, psync_words,
     .deviation = REPLICATION_DEVIATION},
    {"publish", 3, PUBSUB | LOADING | STALE | FAST, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0,
     publish_command, "Sends a message to who listens to a channel; how many that are",
     "O(N) where N is the number of connections and their subscriptions", NULL, publication,
     .deviation = "Who publishes to itself hears the message behind the reply, as since Redis 7.2, "
                  "and never within an `EXEC`. A client for whom 8 MiB of messages wait is "
                  "closed."},
    {"pubsub", -2, 0, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0, NULL, "Commands about channels", NULL,
     .subcommands = pubsub_rows},
    {"punsubscribe", -1, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, punsubscribe_command,
     "Listens to patterns no more: those named, or all", "O(N) where N is the number of patterns",
     NULL, maybe_channel_patterns},
    {"quit", -1,
     NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | AT_ONCE | SUBSCRIBED | UNPAUSED,
     NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, quit_command, "Closes this connection", "O(1)"},
    {"randomkey", 1, READONLY | ORDERED, NO_KEYS, GROUP_GENERIC, "1.0.0", 0, randomkey_command,
     "A key, each as likely as the others", "O(1)",
     "request_policy:all_shards nondeterministic_output"},
    {"readonly", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, readonly_command,
     "OK, as every connection may read", "O(1)",
     .deviation = "OK, where a Redis that is no cluster answers with an error: clients of "
                  "clusters send it to any server they read from."},
    {"readwrite", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, readonly_command,
     "OK, and takes nothing back", "O(1)",
     .deviation = "OK, where a Redis that is no cluster answers with an error, as for `READONLY`."},
    {"replconf", -1, ADMIN | SUBCOMMAND | ALLOW_BUSY, NO_KEYS, GROUP_SERVER, "3.0.0", 0,
     replconf_command, "OK, and means nothing, as there is no replication", "O(1)",
     .doc_flags = "syscmd", .deviation = "`ACK` and `GETACK` are unknown options."},
    {"reset", 1,
     NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | AT_ONCE | SUBSCRIBED | UNPAUSED,
     NO_KEYS, GROUP_CONNECTION, "6.2.0", 0, reset_command,
     "Makes this connection as if it were new", "O(1)"},
    {"role", 1, NOSCRIPT | LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "2.8.12",
     IN_ADMIN | IN_DANGEROUS, role_command, "\"master\", at offset 0, without replicas", "O(1)",
     .deviation = "`master`, where a replica says `slave`, as in `HELLO`."},
    {"scan", -2, READONLY | ORDERED, NO_KEYS, GROUP_GENERIC, "2.8.0", 0, scan_command,
     "Some keys, and the cursor that the next call goes on with; 0 begins and ends it",
     "O(1) for every call, O(N) for all keys", "nondeterministic_output request_policy:special",
     scan_words, .history = scan_history,
     .deviation = "Keys come in order, each exactly once. Like a key, a pattern may be written in "
                  "either case. At most 1,024 keys a call and patterns of at most 1,024 bytes, "
                  "which bounds what a client can make the server keep."},
    {"script", -2, 0, NO_KEYS, GROUP_SCRIPTING, "2.6.0", IN_SLOW, NULL,
     "Commands about scripts; there are none", NULL, .subcommands = script_rows,
     .deviation = "There is no `SCRIPT LOAD` or `SCRIPT DEBUG`, as there is no "
                  "interpreter."},
    {"select", 2, LOADING | STALE | FAST, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, select_command,
     "Changes the database: 0 is the only one", "O(1)", NULL, db_index,
     .deviation = "There is one dataset, so 0 is the only database."},
    {"shutdown", -1, ADMIN | SUBCOMMAND | NO_MULTI | ALLOW_BUSY | ADMINISTRATIVE, NO_KEYS,
     GROUP_SERVER, "1.0.0", 0, shutdown_command, "Stops the server; refused unless enabled", "O(1)",
     NULL, shutdown_words, .history = shutdown_history,
     .deviation = "Refused unless `--enable-shutdown-command yes` is given: who may read need "
                  "not be allowed to stop the server. The words behind it are accepted, as "
                  "there is nothing to save."},
    {"slowlog", -2, 0, NO_KEYS, GROUP_SERVER, "2.2.12", 0, NULL,
     "Commands about the log of commands that took long", NULL, .subcommands = slowlog_rows},
    {"spublish", 3, PUBSUB | LOADING | STALE | FAST, ONE_KEY, "not_key", GROUP_PUBSUB, "7.0.0", 0,
     spublish_command, "PUBLISH for shard channels",
     "O(N) where N is the number of connections and their subscriptions", NULL, shard_publication,
     .deviation = "The same as of `PUBLISH`."},
    {"ssubscribe", -2, SUBSCRIPTION, ALL_KEYS, "not_key", GROUP_PUBSUB, "7.0.0", 0,
     ssubscribe_command, "Listens to shard channels", "O(N) where N is the number of channels",
     NULL, shard_channels, .deviation = "The same as of `SUBSCRIBE`."},
    {"stele.count", 3, READONLY | MODULE | FAST | ORDERED, NO_KEYS, GROUP_MODULE, "0.1.0", 0,
     stele_count_command, "How many keys there are from one UUID to another",
     "O(log N) where N is the number of keys", NULL, range_bounds,
     .deviation = "Redis has no such command. `from` and `to` are those of `STELE.RANGE`."},
    {"stele.range", -3, READONLY | MODULE | ORDERED, NO_KEYS, GROUP_MODULE, "0.1.0", 0,
     stele_range_command,
     "The keys from one UUID to another, in order, with their values if asked for",
     "O(log N + M) where N is the number of keys and M that of the keys answered", NULL,
     range_words,
     .deviation = "Redis has no such command. [clients.md](clients.md#ordered-reads) tells what "
                  "`from` and `to` may be."},
    {"stele.reload", 1, ADMIN | NOSCRIPT | MODULE | NO_MULTI | ADMINISTRATIVE, NO_KEYS,
     GROUP_MODULE, "0.1.0", 0, stele_reload_command,
     "Replaces the dataset by what the data file holds now; answers when all is served from it",
     "O(N log N) where N is the number of keys, beside the loops; O(1) with an index file",
     .deviation = "Redis has no such command. Refused unless a password is set. When the new "
                  "dataset cannot be served, it answers why, and the old one is served on. OK "
                  "unchanged: the file holds what is served already, and nothing is replaced."},
    {"strlen", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_STRING, "2.2.0", 0, strlen_command,
     "The length of the value of a key; 0 when there is none", "O(1)", NULL, one_key},
    {"subscribe", -2, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, subscribe_command,
     "Listens to channels", "O(N) where N is the number of channels", NULL, channels,
     .deviation =
         "At most 1,024 channels, patterns and shard channels of a client, each of at most "
         "256 bytes; one more is an error in the place of its confirmation."},
    {"substr", 4, READONLY, ONE_KEY, "RO access", GROUP_STRING, "1.0.0", 0, getrange_command,
     "GETRANGE by its old name", "O(N) where N is the length of the part", NULL, key_and_range,
     .doc_flags = "deprecated", .deprecated_since = "2.0.0", .replaced_by = "`GETRANGE`"},
    {"sunsubscribe", -1, SUBSCRIPTION, ALL_KEYS, "not_key", GROUP_PUBSUB, "7.0.0", 0,
     sunsubscribe_command, "Listens to shard channels no more: those named, or all",
     "O(N) where N is the number of channels", NULL, maybe_shard_channels},
    {"sync", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI | STRANGERS, NO_KEYS, GROUP_SERVER,
     "1.0.0", 0, sync_command, "Refused: there is no replication", "O(1)",
     .deviation = REPLICATION_DEVIATION},
    {"time", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "2.6.0", 0, time_command,
     "The server's clock: seconds since 1970 and microseconds", "O(1)", "nondeterministic_output"},
    {"touch", -2, READONLY | FAST, ALL_KEYS, "RO", GROUP_GENERIC, "3.2.1", 0, exists_command,
     "How many of the keys exist; nothing notes that they were asked for",
     "O(N) where N is the number of keys", "request_policy:multi_shard response_policy:agg_sum",
     keys},
    {"ttl", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "1.0.0", 0, ttl_command,
     "-1, as no key expires; -2 when there is none", "O(1)", "nondeterministic_output", one_key,
     .history = ttl_history},
    {"type", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_GENERIC, "1.0.0", 0, type_command,
     "\"string\" for a key that exists, \"none\" for another", "O(1)", NULL, one_key},
    {"unsubscribe", -1, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, unsubscribe_command,
     "Listens to channels no more: those named, or all", "O(N) where N is the number of channels",
     NULL, maybe_channels},
    {"unwatch", 1, TRANSACTION, NO_KEYS, GROUP_TRANSACTIONS, "2.2.0", 0, unwatch_command,
     "Forgets all watched keys", "O(1)"},
    {"wait", 3, NOSCRIPT, NO_KEYS, GROUP_GENERIC, "3.0.0", IN_CONNECTION, wait_command,
     "0 at once, as there are no replicas", "O(1)",
     "request_policy:all_shards response_policy:agg_min", replicas_and_timeout,
     .deviation = "0 at once, where a replica answers with an error."},
    {"waitaof", 4, BLOCKING, NO_KEYS, GROUP_GENERIC, "7.2.0", IN_CONNECTION, waitaof_command,
     "0 and 0 at once, as there is no append-only file and are no replicas", "O(1)",
     "request_policy:all_shards response_policy:agg_min", waitaof_words,
     .deviation = "Redis 7.0 does not have it. Answers at once, whatever it is asked to "
                  "wait for."},
    {"watch", -2, TRANSACTION | AT_ONCE, ALL_KEYS, "RO", GROUP_TRANSACTIONS, "2.2.0", 0,
     watch_command, "Watches keys: the next EXEC does not run if one of them has changed by then",
     "O(N) where N is the length of all their values", NULL, keys,
     .deviation = "A key changes only when the dataset is replaced. What counts is whether its "
                  "value at `EXEC` is what it was at `WATCH`. Who watches more than 65,536 keys "
                  "sees a change in every replacement."},
    {0},
};
