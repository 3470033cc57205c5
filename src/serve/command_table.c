// The rows of the commands that are answered.
#include "serve/handlers.h"

// clang-format off: rows are tables

#define NO_KEYS {0, 0, 0}, ""
#define ONE_KEY                                                                                    \
    {                                                                                              \
        1, 1, 1                                                                                    \
    }
#define ALL_KEYS                                                                                   \
    {                                                                                              \
        1, -1, 1                                                                                   \
    }

// What most administrative subcommands share in Redis.
#define SUBCOMMAND (NOSCRIPT | LOADING | STALE)

static const struct command_argument one_key[] = {{"key", "key", NULL, 0, NULL}, {0}};
static const struct command_argument keys[] = {{"key", "key", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument one_message[] = {{"message", "string", NULL, 0, NULL}, {0}};
static const struct command_argument maybe_message[] = {
    {"message", "string", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument command_names[] = {
    {"command-name", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument patterns[] = {
    {"parameter", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
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
    {"username", "string", NULL, ARGUMENT_OPTIONAL, NULL},
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
    {"now", "pure-token", "NOW", ARGUMENT_OPTIONAL, NULL},
    {"force", "pure-token", "FORCE", ARGUMENT_OPTIONAL, NULL},
    {"abort", "pure-token", "ABORT", ARGUMENT_OPTIONAL, NULL},
    {0}};

static const struct command_argument key_and_range[] = {{"key", "key", NULL, 0, NULL},
                                                        {"start", "integer", NULL, 0, NULL},
                                                        {"end", "integer", NULL, 0, NULL},
                                                        {0}};
static const struct command_argument replicas_and_timeout[] = {
    {"numreplicas", "integer", NULL, 0, NULL}, {"timeout", "integer", NULL, 0, NULL}, {0}};

static const struct command_argument scan_words[] = {
    {"cursor", "integer", NULL, 0, NULL},
    {"pattern", "pattern", "MATCH", ARGUMENT_OPTIONAL, NULL},
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {"type", "string", "TYPE", ARGUMENT_OPTIONAL, NULL},
    {0}};

static const struct command client_rows[] = {
    {"getname", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.6.9", 0, client_getname_command,
     "The name of this connection", "O(1)"},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0, help_command, "These lines",
     "O(1)"},
    {"id", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0, client_id_command,
     "The number of this connection, unique for as long as the server runs", "O(1)"},
    {"setinfo", 4, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "7.2.0", 0, client_setinfo_command,
     "Notes which client library speaks here", "O(1)", NULL, library_attribute},
    {"setname", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.6.9", 0, client_setname_command,
     "Names this connection", "O(1)", NULL, connection_name},
    {0},
};

static const struct command command_rows[] = {
    {"count", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_count_command, "How many commands there are", "O(1)"},
    {"docs", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "7.0.0", IN_CONNECTION,
     command_docs_command, "Documentation of some or all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order", command_names},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", IN_CONNECTION, help_command,
     "These lines", "O(1)"},
    {"info", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_info_command, "Arity, flags and keys of some or all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order", command_names},
    {0},
};

static const struct command config_rows[] = {
    {"get", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.0.0", 0, config_get_command,
     "The values of the options that match the patterns", "O(N) where N is the number of options",
     NULL, patterns},
    {"help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", 0, help_command, "These lines",
     "O(1)"},
    {0},
};

const struct command command_table[] = {
    {"auth", -2, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEYS,
     GROUP_CONNECTION, "1.0.0", 0, auth_command, "Authenticates this connection", "O(1)", NULL,
     auth_words},
    {"client", -2, 0, NO_KEYS, GROUP_CONNECTION, "2.4.0", 0, NULL,
     "Commands about client connections", NULL, .subcommands = client_rows},
    {"command", -1, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_command, "Arity, flags and keys of all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order",
     .subcommands = command_rows},
    {"config", -2, 0, NO_KEYS, GROUP_SERVER, "2.0.0", 0, NULL,
     "Commands about the options of the server", NULL, .subcommands = config_rows},
    {"dbsize", 1, READONLY | FAST, NO_KEYS, GROUP_SERVER, "1.0.0", IN_KEYSPACE, dbsize_command,
     "How many keys there are", "O(1)", "request_policy:all_shards response_policy:agg_sum"},
    {"debug", -2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "1.0.0", 0, debug_command,
     "For tests, refused unless enabled: SLEEP blocks the loop for some seconds", "O(1)"},
    {"echo", 2, LOADING | STALE | FAST, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, echo_command,
     "Answers the message", "O(1)", NULL, one_message},
    {"exists", -2, READONLY | FAST, ALL_KEYS, "RO", GROUP_GENERIC, "1.0.0", 0, exists_command,
     "How many of the keys exist; one that is named twice counts twice",
     "O(N) where N is the number of keys", "request_policy:multi_shard response_policy:agg_sum",
     keys},
    {"expiretime", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "7.0.0", 0, ttl_command,
     "-1, as no key expires; -2 when there is none", "O(1)", NULL, one_key},
    {"get", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_STRING, "1.0.0", 0, get_command,
     "The value of a key", "O(1)", NULL, one_key},
    {"getrange", 4, READONLY, ONE_KEY, "RO access", GROUP_STRING, "2.4.0", 0, getrange_command,
     "A part of the value of a key", "O(N) where N is the length of the part", NULL, key_and_range},
    {"hello", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEYS,
     GROUP_CONNECTION, "6.0.0", 0, hello_command,
     "Chooses the protocol, may authenticate and name the connection, and tells of the server",
     "O(1)", NULL, hello_words},
    {"info", -1, LOADING | STALE, NO_KEYS, GROUP_SERVER, "1.0.0", IN_DANGEROUS, info_command,
     "State and counters of the server", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special", info_sections},
    {"lastsave", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "1.0.0", IN_ADMIN | IN_DANGEROUS,
     lastsave_command, "When the index was built, in seconds since 1970", "O(1)",
     "nondeterministic_output"},
    {"mget", -2, READONLY | FAST, ALL_KEYS, "RO access", GROUP_STRING, "1.0.0", 0, mget_command,
     "The values of keys, in order", "O(N) where N is the number of keys",
     "request_policy:multi_shard", keys},
    {"pexpiretime", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "7.0.0", 0,
     ttl_command, "-1, as no key expires; -2 when there is none", "O(1)", NULL, one_key},
    {"ping", -1, FAST, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, ping_command,
     "Answers PONG, or the message", "O(1)",
     "request_policy:all_shards response_policy:all_succeeded", maybe_message},
    {"pttl", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "2.6.0", 0, ttl_command,
     "-1, as no key expires; -2 when there is none", "O(1)", "nondeterministic_output", one_key},
    {"quit", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEYS,
     GROUP_CONNECTION, "1.0.0", 0, quit_command, "Closes this connection", "O(1)"},
    {"randomkey", 1, READONLY, NO_KEYS, GROUP_GENERIC, "1.0.0", 0, randomkey_command,
     "A key, each as likely as the others", "O(1)",
     "request_policy:all_shards nondeterministic_output"},
    {"readonly", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, readonly_command,
     "OK, as every connection may read", "O(1)"},
    {"readwrite", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, readonly_command,
     "OK, and takes nothing back", "O(1)"},
    {"reset", 1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEYS,
     GROUP_CONNECTION, "6.2.0", 0, reset_command, "Makes this connection as if it were new",
     "O(1)"},
    {"role", 1, NOSCRIPT | LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "2.8.12",
     IN_ADMIN | IN_DANGEROUS, role_command, "\"master\", at offset 0, without replicas", "O(1)"},
    {"scan", -2, READONLY, NO_KEYS, GROUP_GENERIC, "2.8.0", 0, scan_command,
     "Some keys, and the cursor that the next call goes on with; 0 begins and ends it",
     "O(1) for every call, O(N) for all keys", "nondeterministic_output request_policy:special",
     scan_words},
    {"select", 2, LOADING | STALE | FAST, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, select_command,
     "Changes the database: 0 is the only one", "O(1)", NULL, db_index},
    {"shutdown", -1, ADMIN | SUBCOMMAND | NO_MULTI | ALLOW_BUSY, NO_KEYS, GROUP_SERVER, "1.0.0", 0,
     shutdown_command, "Stops the server; refused unless enabled", "O(1)", NULL, shutdown_words},
    {"strlen", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_STRING, "2.2.0", 0, strlen_command,
     "The length of the value of a key; 0 when there is none", "O(1)", NULL, one_key},
    {"substr", 4, READONLY, ONE_KEY, "RO access", GROUP_STRING, "1.0.0", 0, getrange_command,
     "GETRANGE by its old name", "O(N) where N is the length of the part", NULL, key_and_range},
    {"time", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "2.6.0", 0, time_command,
     "The server's clock: seconds since 1970 and microseconds", "O(1)", "nondeterministic_output"},
    {"touch", -2, READONLY | FAST, ALL_KEYS, "RO", GROUP_GENERIC, "3.2.1", 0, exists_command,
     "How many of the keys exist; nothing notes that they were asked for",
     "O(N) where N is the number of keys", "request_policy:multi_shard response_policy:agg_sum",
     keys},
    {"ttl", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_GENERIC, "1.0.0", 0, ttl_command,
     "-1, as no key expires; -2 when there is none", "O(1)", "nondeterministic_output", one_key},
    {"type", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_GENERIC, "1.0.0", 0, type_command,
     "\"string\" for a key that exists, \"none\" for another", "O(1)", NULL, one_key},
    {"wait", 3, NOSCRIPT, NO_KEYS, GROUP_GENERIC, "3.0.0", IN_CONNECTION, wait_command,
     "0 at once, as there are no replicas", "O(1)",
     "request_policy:all_shards response_policy:agg_min", replicas_and_timeout},
    {0},
};
