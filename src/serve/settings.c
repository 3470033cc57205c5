// The table of options, with the checks that do not follow from an option's type, and the defaults.
// What follows from the type is in settings_values.c. Neither knows argv or sessions: options.c and
// commands/config.c call them.
#include "serve/settings_internal.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/password.h"
#include "base/version.h"
#include "metrics/slow_log.h"
#include "serve/key_rules.h"
#include "serve/readers.h"

// ---- checks that do not follow from the type ----------------------------------------------------

static const char *check_path(const char *text)
{
    return *text != '\0' ? NULL : "must be a path";
}

static const char *check_bind(const char *text)
{
    return *text != '\0' ? NULL : "must be an address";
}

static const char *check_password(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= PASSWORD_MAX ? NULL : "must have 1 to 512 bytes";
}

static const char *check_redis_version(const char *text)
{
    unsigned dots = 0;
    bool good = true;
    for (const char *c = text; *c != '\0'; c++) {
        bool digit = *c >= '0' && *c <= '9';
        bool dot = *c == '.' && c > text && c[-1] != '.' && c[1] != '\0';
        good &= digit || dot;
        dots += dot;
    }
    return good && dots == 2 && strlen(text) <= 16 ? NULL : "must be a version like 7.4.0";
}

static const char *check_not_empty(const char *text)
{
    return *text != '\0' ? NULL : "must not be empty";
}

static const char *check_key_prefix(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= KEY_PREFIX_MAX ? NULL : "must have 1 to 64 bytes";
}

// Replies to CLUSTER contain the address in lines that clients split at spaces. 64 bytes are enough
// for any IP address.
static const char *check_announced(const char *text)
{
    bool good = *text != '\0' && strlen(text) <= 64 && strpbrk(text, " \t\r\n") == NULL;
    return good ? NULL : "must be an address or a name of at most 64 bytes";
}

static const char *read_port(const struct setting *row, struct settings *s, const char *text,
                             char complaint[SETTING_COMPLAINT_MAX])
{
    s->tcp = strcmp(text, "none") != 0;
    return setting_read_number(row, s, s->tcp ? text : "0", complaint);
}

static const char *read_percent(const struct setting *row, struct settings *s, const char *text,
                                char complaint[SETTING_COMPLAINT_MAX])
{
    char digits[4] = "";
    size_t len = strlen(text);
    if (len < 2 || len > sizeof digits || text[len - 1] != '%')
        return row->complaint;
    memcpy(digits, text, len - 1);
    return setting_read_number(row, s, digits, complaint);
}

static const char *read_index(const struct setting *row, struct settings *s, const char *text,
                              char complaint[SETTING_COMPLAINT_MAX])
{
    (void)row;
    (void)complaint;
    s->index = strcmp(text, "none") == 0 ? "" : text;
    return *text != '\0' ? NULL : "must be a path, or none";
}

// ---- the table ----------------------------------------------------------------------------------

static const char *const endpoint_type_words[] = {"ip", "hostname", NULL};
static const char *const enable_words[] = {"no", "local", "yes", NULL};
static const char *const index_pages_words[] = {"shared", "huge", NULL};
static const char *const index_trust_words[] = {"proven", "sampled", NULL};
static const char *const lock_index_words[] = {"no", "auto", "yes", NULL};
static const char *const key_forms_words[] = {"strict", "any", NULL};
static const char *const loglevel_words[] = {"debug", "verbose", "notice", "warning", NULL};
static const char *const role_words[] = {"master", "replica", NULL};
static const char *const swap_tracking_words[] = {"push", "push+close", NULL};
static const char *const write_error_words[] = {"readonly", "noperm", "err", NULL};

_Static_assert(LOG_DEBUG == 0 && LOG_WARNING == 3, "loglevel_words are in the order of log_level");
_Static_assert(DATASET_LOCK_NO == 0 && DATASET_LOCK_AUTO == 1 && DATASET_LOCK_YES == 2,
               "lock_index_words are in the order of dataset_lock");
_Static_assert(SETTING_VALUE_MAX > 4 * PATH_MAX, "room for a path");
_Static_assert(SETTING_ITEMS_MAX == 16, "help and messages state the limit");
_Static_assert(SETTINGS_THREADS_MAX == 128, "the help of --threads states the limit");
_Static_assert(READERS_MAX == 256, "the help of --read-threads states the limit");
_Static_assert(PASSWORD_MAX == 512, "check_password states the limit");
_Static_assert(KEY_PREFIX_MAX == 64, "check_key_prefix states the limit");

#define OPTION(text) .name = text, .option = "--" text
#define FIELD(member)                                                                              \
    .offset = offsetof(struct settings, member), .size = sizeof(((struct settings *)NULL)->member)
#define HEADING(text)                                                                              \
    {                                                                                              \
        .help = text                                                                               \
    }
#define CONSTANT(text, value)                                                                      \
    {                                                                                              \
        .name = text, .default_value = value, .change = SETTING_KEPT                               \
    }
#define SECONDS                                                                                    \
    .argument = "SECONDS", .type = SETTING_NUMBER, .change = SETTING_RUNTIME, .max = INT_MAX,      \
    .complaint = "must be a number of seconds, or 0 for never"
#define SIZE_COMPLAINT "must be a size like 512mb or 1gb"

const struct setting settings_table[] = {
    HEADING("Where it listens"),
    {OPTION("port"), FIELD(port), .type = SETTING_NUMBER, .change = SETTING_KEPT, .read = read_port,
     .max = 65535, .complaint = "must be a number from 0 to 65535, or none", .argument = "PORT",
     .default_value = "6379", .help = "TCP port; 0: the system chooses a free port; none: no TCP"},
    {OPTION("bind"), FIELD(bind), .type = SETTING_LIST, .change = SETTING_KEPT, .check = check_bind,
     .argument = "ADDRESS", .default_text = "127.0.0.1 and -::1",
     .help =
         "address to listen on; may be given up to 16 times; *: every address; -ADDRESS: only if "
         "this machine has it"},
    {OPTION("unixsocket"), FIELD(unixsocket), .type = SETTING_TEXT, .check = check_path,
     .argument = "PATH", .default_value = "", .help = "Unix socket to listen on as well"},
    {OPTION("unixsocketperm"), FIELD(unixsocketperm), .type = SETTING_OCTAL, .argument = "MODE",
     .default_text = "set by the umask", .help = "permissions of the Unix socket, in octal"},
    {OPTION("tcp-backlog"), FIELD(tcp_backlog), .type = SETTING_NUMBER, .min = 1, .max = 65535,
     .argument = "N", .default_value = "511",
     .help = "connections that the system may queue until the server accepts them"},
    {OPTION("proxy-protocol"), FIELD(proxy_protocol), .type = SETTING_LIST, .check = check_bind,
     .argument = "ADDRESS", .default_text = "no proxies",
     .help = "proxy whose connections must begin with a PROXY protocol header, which names the "
             "client; may be given up to 16 times; an address, a network like 10.0.0.0/8, or unix "
             "for the Unix socket"},

    HEADING("What clients may do"),
    {OPTION("protected-mode"), FIELD(protected_mode), .type = SETTING_YES_NO,
     .change = SETTING_KEPT, .argument = "yes|no", .default_value = "yes",
     .help = "refuse clients on other hosts while there is no password"},
    {OPTION("requirepass"), FIELD(requirepass), .type = SETTING_TEXT, .check = check_password,
     .secret = true, .argument = "PASSWORD",
     .help = "password that clients must give with AUTH (other users can see it in ps)"},
    {OPTION("requirepass-file"), FIELD(requirepass_file), .type = SETTING_TEXT, .check = check_path,
     .argument = "PATH", .help = "read the password from the first line of this file"},
    {OPTION("admin-commands"), FIELD(admin_commands), .type = SETTING_WORD, .words = enable_words,
     .argument = "yes|local|no", .default_value = "local",
     .help = "who may use administrative commands like CONFIG SET: all clients, clients on this "
             "machine, or nobody"},
    {OPTION("enable-debug-command"), FIELD(enable_debug_command), .type = SETTING_WORD,
     .words = enable_words, .argument = "no|local|yes", .default_value = "no",
     .help = "who may use DEBUG: nobody, clients on this machine, or all clients; --admin-commands "
             "must allow them too"},
    {OPTION("enable-shutdown-command"), FIELD(enable_shutdown_command), .type = SETTING_YES_NO,
     .argument = "yes|no", .default_value = "no",
     .help = "allow SHUTDOWN, for the clients that --admin-commands allows"},

    HEADING("Limits"),
    {OPTION("maxclients"), FIELD(runtime.maxclients), .type = SETTING_NUMBER,
     .change = SETTING_RUNTIME, .min = 1, .max = 1000000, .runtime_max = UINT32_MAX,
     .argument = "N", .default_value = "10000", .help = "most clients connected at once"},
    {OPTION("maxmemory-clients"), FIELD(runtime.maxmemory_clients), .type = SETTING_MEMORY,
     .change = SETTING_RUNTIME, .argument = "SIZE|N%", .default_value = "25%",
     .default_text = "25% of the memory that the server may use",
     .help = "most memory for the requests and replies of all clients; above it, the clients that "
             "hold most are disconnected; 0: no limit"},
    {OPTION("timeout"), FIELD(runtime.timeout), SECONDS, .default_value = "0",
     .help = "disconnect clients that are idle for this long; 0: never"},
    {OPTION("request-timeout"), FIELD(runtime.request_timeout), SECONDS, .default_value = "30",
     .help = "disconnect clients that begin a request and do not complete it within this time; 0: "
             "never"},
    {OPTION("write-timeout"), FIELD(runtime.write_timeout), SECONDS, .default_value = "60",
     .help = "disconnect clients that read nothing of a reply for this long; 0: never"},
    {OPTION("threads"), FIELD(threads), .type = SETTING_NUMBER, .min = 1,
     .max = SETTINGS_THREADS_MAX, .argument = "N", .default_text = "one for each processor",
     .help = "event loops that share the clients, 1 to 128"},
    {OPTION("read-threads"), FIELD(read_threads), .type = SETTING_NUMBER, .max = READERS_MAX,
     .argument = "N", .default_value = "16",
     .help = "threads that wait for the disk in place of the loops when data is not in memory, 0 "
             "to 256; 0: the loops wait"},

    HEADING("The data and its index"),
    {OPTION("skip-malformed"), FIELD(skip_malformed), .type = SETTING_FLAG,
     .help = "serve the other lines of a file that has malformed lines"},
    {OPTION("watch"), FIELD(watch), .type = SETTING_FLAG,
     .help = "reload the data when the file is replaced or written to"},
    {OPTION("reload-max-shrink"), FIELD(reload_max_shrink), .type = SETTING_NUMBER,
     .read = read_percent, .max = 100, .complaint = "must be 0% to 100%", .argument = "PERCENT",
     .default_value = "100%",
     .help = "fail a reload of data that has fewer keys by more than this; 100%: never"},
    {OPTION("reload-verify"), FIELD(reload_verify), .type = SETTING_TEXT, .check = check_not_empty,
     .argument = "COMMAND",
     .help = "fail a reload unless this shell command succeeds; STELE_DATA names the data file"},
    {OPTION("reload-verify-timeout"), FIELD(reload_verify_timeout), .type = SETTING_NUMBER,
     .min = 1, .max = 86400, .argument = "SECONDS", .default_value = "600",
     .help = "time that the command of --reload-verify may take, 1 to 86400"},
    {OPTION("swap-tracking"), FIELD(close_tracking), .type = SETTING_WORD,
     .words = swap_tracking_words, .argument = "push|push+close", .default_value = "push",
     .help = "what clients with CLIENT TRACKING get when a reload swaps the data; push: an "
             "invalidation message; push+close: the message, and then their connection is closed"},
    {OPTION("index"), FIELD(index), .type = SETTING_INDEX, .read = read_index,
     .argument = "PATH|none", .default_text = "DATAFILE.idx",
     .help = "index file; none: keep the index in memory only"},
    {OPTION("index-trust"), FIELD(sampled_trust), .type = SETTING_WORD, .words = index_trust_words,
     .argument = "proven|sampled", .default_value = "proven",
     .help =
         "when to serve from an index file; proven: once it is certain that the index was built "
         "from this data; sampled: once samples of the data agree with the index (if it was built "
         "from other data after all, existing keys are not found until the server notices)"},
    {OPTION("index-verify"), FIELD(index_verify), .type = SETTING_SIZE, .complaint = SIZE_COMPLAINT,
     .argument = "SIZE", .default_value = "256mb",
     .help = "compare an index file of up to this size with its checksums before the first answer, "
             "and a larger file block by block as it is used"},
    {OPTION("index-pages"), FIELD(huge_pages), .type = SETTING_WORD, .words = index_pages_words,
     .argument = "shared|huge", .default_value = "shared",
     .help = "shared: share the pages of the index file with other stele-servers on this machine; "
             "huge: copy them to huge pages"},
    {OPTION("lock-index"), FIELD(lock_index), .type = SETTING_WORD, .words = lock_index_words,
     .argument = "auto|yes|no", .default_value = "auto",
     .help = "keep the index in memory (mlock), so that no lookup waits until a part of it is read "
             "from the disk; auto: if it takes at most half of the memory that is available, and "
             "the limit of locked memory allows it; yes: otherwise do not start, and do not "
             "reload"},
    {OPTION("build-memory"), FIELD(build_memory), .type = SETTING_SIZE, .complaint = SIZE_COMPLAINT,
     .argument = "SIZE", .default_text = "a quarter of the memory that the server may use",
     .help = "most memory to build the index in, like 512mb or 1gb"},

    HEADING("The log"),
    {OPTION("loglevel"), FIELD(runtime.loglevel), .type = SETTING_WORD, .change = SETTING_RUNTIME,
     .words = loglevel_words, .any_case = true, .argument = "LEVEL", .default_value = "notice",
     .help = "least severe level that is logged: debug, verbose, notice or warning"},
    {OPTION("logfile"), FIELD(logfile), .type = SETTING_TEXT, .argument = "PATH",
     .default_value = "", .default_text = "standard error", .help = "append the log to this file"},

    HEADING("How it appears to Redis clients"),
    {OPTION("redis-version"), FIELD(redis_version), .type = SETTING_TEXT,
     .check = check_redis_version, .argument = "VERSION", .default_value = STELE_REDIS_VERSION,
     .help = "version of Redis that HELLO and INFO announce"},
    {OPTION("key-prefix"), FIELD(key_prefix), .type = SETTING_TEXT, .check = check_key_prefix,
     .argument = "TEXT", .default_text = "none",
     .help = "text in front of each key, like user: for keys like user:UUID; a key without it does "
             "not exist"},
    {OPTION("key-forms"), FIELD(any_key_form), .type = SETTING_WORD, .words = key_forms_words,
     .argument = "strict|any", .default_value = "strict",
     .help = "how requests may write a UUID; strict: with hyphens; any: also without hyphens, in "
             "braces, or after urn:uuid:"},
    {OPTION("announce-role"), FIELD(announce_replica), .type = SETTING_WORD, .words = role_words,
     .argument = "master|replica", .default_value = "master",
     .help =
         "role that ROLE, INFO and HELLO announce, for clients that read from replicas; not for "
         "a cluster, whose nodes know their roles"},
    {OPTION("write-error"), FIELD(write_error), .type = SETTING_WORD, .words = write_error_words,
     .argument = "readonly|noperm|err", .default_text = "readonly, or noperm in a cluster",
     .help = "error reply to write commands"},
    {OPTION("cluster-enabled"), FIELD(cluster_enabled), .type = SETTING_YES_NO,
     .argument = "yes|no", .default_value = "no",
     .help = "answer CLUSTER as a cluster of one node that owns every slot"},
    {OPTION("cluster-config"), FIELD(cluster_config), .type = SETTING_TEXT,
     .check = check_not_empty, .argument = "FILE", .default_text = "no other nodes",
     .help = "be a node of the cluster that FILE describes; implies --cluster-enabled yes"},
    {OPTION("cluster-node"), FIELD(cluster_node), .type = SETTING_TEXT, .check = check_not_empty,
     .argument = "NAME", .default_text = "the node whose address this server has",
     .help = "name of this node in the file of --cluster-config"},
    {OPTION("cluster-node-timeout"), FIELD(cluster_node_timeout), .type = SETTING_NUMBER,
     .max = INT_MAX, .complaint = "must be a number of milliseconds, or 0 to probe no node",
     .argument = "MS", .default_value = "3000",
     .help =
         "milliseconds after which a node that does not answer is down; 0: nodes are not probed "
         "and count as up"},
    {OPTION("cluster-auth-file"), FIELD(cluster_auth_file), .type = SETTING_TEXT,
     .check = check_not_empty, .argument = "PATH", .default_text = "this server's own password",
     .help = "file with the password of the other nodes"},
    {OPTION("cluster-crossslot"), FIELD(cluster_crossslot), .type = SETTING_YES_NO,
     .argument = "yes|no", .default_value = "yes",
     .help = "answer requests for keys of several slots if this node has all of them"},
    {OPTION("cluster-preferred-endpoint-type"), FIELD(cluster_hostnames), .type = SETTING_WORD,
     .words = endpoint_type_words, .argument = "ip|hostname", .default_value = "ip",
     .help = "name nodes of the cluster by their addresses or by their host names"},
    {OPTION("cluster-announce-ip"), FIELD(cluster_announce_ip), .type = SETTING_TEXT,
     .change = SETTING_KEPT, .check = check_announced, .argument = "ADDRESS",
     .default_text = "the address that the client has connected to",
     .help = "address of this node in replies to CLUSTER"},
    {OPTION("cluster-announce-port"), FIELD(cluster_announce_port), .type = SETTING_NUMBER,
     .change = SETTING_KEPT, .min = 1, .max = 65535, .argument = "PORT",
     .default_text = "the port that the client has connected to",
     .help = "port of this node in replies to CLUSTER"},

    // The rows from here on are not options of the command line; only CONFIG shows them. CONFIG SET
    // changes these:
    {.name = "latency-monitor-threshold",
     FIELD(runtime.latency_monitor_threshold),
     .type = SETTING_NUMBER,
     .change = SETTING_RUNTIME,
     .max = INT64_MAX,
     .default_value = "0"},
    {.name = "latency-tracking",
     FIELD(runtime.latency_tracking),
     .type = SETTING_YES_NO,
     .change = SETTING_RUNTIME,
     .default_value = "yes"},
    {.name = "latency-tracking-info-percentiles",
     .type = SETTING_PERCENTILES,
     .change = SETTING_RUNTIME},
    {.name = "slowlog-log-slower-than",
     FIELD(runtime.slowlog_log_slower_than),
     .type = SETTING_NUMBER,
     .change = SETTING_RUNTIME,
     .min = -1,
     .max = INT64_MAX,
     .default_value = "10000"},
    {.name = "slowlog-max-len",
     FIELD(runtime.slowlog_max_len),
     .type = SETTING_NUMBER,
     .change = SETTING_RUNTIME,
     .max = SLOW_LOG_MAX,
     .default_value = "128"},
    {.name = "tcp-keepalive",
     FIELD(runtime.tcp_keepalive),
     .type = SETTING_NUMBER,
     .change = SETTING_RUNTIME,
     .max = INT_MAX,
     .default_value = "300"},

    // Options of Redis that tools read. They cannot be changed:
    CONSTANT("appendonly", "no"),
    CONSTANT("client-query-buffer-limit", "67108864"), // SESSION_INPUT_MAX (commands/config.c)
    {.name = "databases", .default_value = "1"},
    CONSTANT("hz", "10"),
    {.name = "io-threads", FIELD(threads), .type = SETTING_NUMBER},
    CONSTANT("maxmemory", "0"),
    CONSTANT("maxmemory-policy", "noeviction"),
    CONSTANT("notify-keyspace-events", ""),
    CONSTANT("proto-max-bulk-len", "1048576"), // RESP_BULK_MAX (commands/config.c)
    CONSTANT("replica-read-only", "yes"),
    CONSTANT("save", ""),
    CONSTANT("slave-read-only", "yes"),
};
const unsigned settings_count = sizeof settings_table / sizeof *settings_table;

_Static_assert(sizeof settings_table / sizeof *settings_table <= SETTINGS_MAX,
               "raise SETTINGS_MAX");

// ---- all options together -----------------------------------------------------------------------

void settings_init(struct settings *s)
{
    char complaint[SETTING_COMPLAINT_MAX];
    *s = (struct settings){.executable = "", .write_error = WRITE_ERROR_UNSET};
    for (unsigned i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (row->name == NULL || row->default_value == NULL || row->type == SETTING_CONSTANT)
            continue;
        if (row->type == SETTING_TEXT) {
            // Not by setting_read: `check` refuses the empty default of some options.
            *(const char **)setting_field(row, s) = row->default_value;
            continue;
        }
        const char *fault = setting_read(row, s, row->default_value, complaint);
        assert(fault == NULL);
        (void)fault;
    }
}

bool settings_complete(struct settings *s, struct error *error)
{
    if (s->requirepass_file != NULL && s->requirepass != NULL) {
        error_set(error, "--requirepass and --requirepass-file exclude each other");
        return false;
    }
    if (!s->tcp && *s->unixsocket == '\0') {
        error_set(error, "--port none without --unixsocket leaves nowhere to listen");
        return false;
    }
    if (s->cluster_node != NULL && s->cluster_config == NULL) {
        error_set(error, "--cluster-node needs --cluster-config");
        return false;
    }
    // Clients would compute the slot from the prefix too, but files are divided by the UUID alone.
    if (s->key_prefix != NULL && s->cluster_config != NULL) {
        error_set(error, "--key-prefix and --cluster-config exclude each other");
        return false;
    }
    s->cluster_enabled |= s->cluster_config != NULL;
    if (s->announce_replica && s->cluster_enabled) {
        error_set(error, "--announce-role replica is not for a cluster");
        return false;
    }
    // A cluster client that gets READONLY assumes that the node has become a replica, and tries
    // again.
    if (s->write_error == WRITE_ERROR_UNSET)
        s->write_error = s->cluster_enabled ? WRITE_ERROR_NOPERM : WRITE_ERROR_READONLY;
    if (s->bind.count == 0)
        s->bind = (struct setting_list){2, {"127.0.0.1", "-::1"}};
    return true;
}
