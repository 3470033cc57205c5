// The options of stele-server: one table row each, which reads it and explains it in --help. The
// order of the rows is that of --help.
#include "options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/command_line.h"
#include "base/error.h"
#include "base/number.h"
#include "base/password.h"
#include "base/version.h"

enum {
    DEFAULT_PORT = 6379,
    DEFAULT_MAXCLIENTS = 10000,
    DEFAULT_BACKLOG = 511,
    DEFAULT_REQUEST_TIMEOUT = 30, // seconds
    DEFAULT_WRITE_TIMEOUT = 60,
    DEFAULT_MAXMEMORY_CLIENTS = -25, // percent
    MAXCLIENTS_MAX = 1000000,
};

static const char *set_number(unsigned *number, const char *text, unsigned min, unsigned max,
                              const char *complaint)
{
    int64_t value;
    if (!number_parse(span_text(text), &value) || value < min || value > max)
        return complaint;
    *number = (unsigned)value;
    return NULL;
}

static const char *set_yes_no(bool *flag, const char *text)
{
    *flag = strcmp(text, "yes") == 0;
    return *flag || strcmp(text, "no") == 0 ? NULL : "must be yes or no";
}

static const char *set_port(struct options *o, const char *value)
{
    o->server.tcp = strcmp(value, "none") != 0;
    if (!o->server.tcp)
        return NULL;
    return set_number(&o->server.service.port, value, 0, 65535,
                      "must be a number from 0 to 65535, or none");
}

static const char *set_bind(struct options *o, const char *value)
{
    if (o->server.bind_count == OPTIONS_BINDS_MAX)
        return "is given more than 16 times";
    if (*value == '\0')
        return "must be an address";
    o->binds[o->server.bind_count++] = value;
    return NULL;
}

static const char *set_threads(struct options *o, const char *value)
{
    _Static_assert(SERVICES_MAX == 128, "the message and the help tell the real limit");
    return set_number(&o->server.service.threads, value, 1, SERVICES_MAX,
                      "must be a number from 1 to 128");
}

static const char *set_protected_mode(struct options *o, const char *value)
{
    return set_yes_no(&o->server.service.protected_mode, value);
}

static const char *set_unixsocket(struct options *o, const char *value)
{
    o->server.service.unixsocket = value;
    return *value != '\0' ? NULL : "must be a path";
}

static const char *set_unixsocketperm(struct options *o, const char *value)
{
    char *end;
    unsigned long mode = strtoul(value, &end, 8);
    if (*value < '0' || *value > '7' || *end != '\0' || mode == 0 || mode > 0777)
        return "must be octal permissions like 770";
    o->server.service.unixsocketperm = (unsigned)mode;
    return NULL;
}

static const char *set_maxclients(struct options *o, const char *value)
{
    return set_number(&o->server.service.maxclients, value, 1, MAXCLIENTS_MAX,
                      "must be a number from 1 to 1000000");
}

static const char *set_timeout(struct options *o, const char *value)
{
    return set_number(&o->server.service.timeout, value, 0, INT_MAX,
                      "must be a number of seconds, or 0 for never");
}

static const char *set_request_timeout(struct options *o, const char *value)
{
    return set_number(&o->server.service.request_timeout, value, 0, INT_MAX,
                      "must be a number of seconds, or 0 for never");
}

static const char *set_write_timeout(struct options *o, const char *value)
{
    return set_number(&o->server.service.write_timeout, value, 0, INT_MAX,
                      "must be a number of seconds, or 0 for never");
}

static const char *set_maxmemory_clients(struct options *o, const char *value)
{
    bool good =
        number_parse_memory_or_percent(span_text(value), &o->server.service.maxmemory_clients);
    return good ? NULL : "must be a size like 512mb, a percentage like 25%, or 0 for no limit";
}

static const char *set_tcp_backlog(struct options *o, const char *value)
{
    return set_number(&o->server.service.tcp_backlog, value, 1, 65535,
                      "must be a number from 1 to 65535");
}

static const char *set_skip_malformed(struct options *o, const char *value)
{
    (void)value;
    o->skip_malformed = true;
    return NULL;
}

static const char *set_index(struct options *o, const char *value)
{
    o->index = strcmp(value, "none") == 0 ? "" : value;
    return *value != '\0' ? NULL : "must be a path, or none";
}

static const char *set_index_trust(struct options *o, const char *value)
{
    o->sampled_trust = strcmp(value, "sampled") == 0;
    return o->sampled_trust || strcmp(value, "proven") == 0 ? NULL : "must be proven or sampled";
}

static const char *set_index_pages(struct options *o, const char *value)
{
    o->huge_pages = strcmp(value, "huge") == 0;
    return o->huge_pages || strcmp(value, "shared") == 0 ? NULL : "must be shared or huge";
}

static const char *set_index_verify(struct options *o, const char *value)
{
    bool good = number_parse_memory(span_text(value), &o->index_verify) && o->index_verify > 0;
    return good ? NULL : "must be a size like 512mb or 1gb";
}

static const char *set_build_memory(struct options *o, const char *value)
{
    bool good = number_parse_memory(span_text(value), &o->build_memory) && o->build_memory > 0;
    return good ? NULL : "must be a size like 512mb or 1gb";
}

static const char *set_loglevel(struct options *o, const char *value)
{
    return log_level_parse(value, &o->log_level) ? NULL
                                                 : "must be debug, verbose, notice or warning";
}

static const char *set_logfile(struct options *o, const char *value)
{
    o->server.service.logfile = value;
    return NULL;
}

static const char *set_requirepass(struct options *o, const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len > PASSWORD_MAX)
        return "must have 1 to 512 bytes";
    o->server.service.requirepass = value;
    return NULL;
}

static const char *set_requirepass_file(struct options *o, const char *value)
{
    o->password_file = value;
    o->server.password_file = value;
    return *value != '\0' ? NULL : "must be a path";
}

static const char *set_redis_version(struct options *o, const char *value)
{
    unsigned dots = 0;
    bool good = true;
    for (const char *c = value; *c != '\0'; c++) {
        bool digit = *c >= '0' && *c <= '9';
        bool dot = *c == '.' && c > value && c[-1] != '.' && c[1] != '\0';
        good &= digit || dot;
        dots += dot;
    }
    o->server.service.redis_version = value;
    return good && dots == 2 && strlen(value) <= 16 ? NULL : "must be a version like 7.4.0";
}

static const char *set_write_error(struct options *o, const char *value)
{
    static const char *const words[] = {"readonly", "noperm", "err"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(value, words[i]) == 0) {
            o->server.service.write_error = (enum write_error)i;
            o->write_error_given = true;
            return NULL;
        }
    }
    return "must be readonly, noperm or err";
}

static const char *set_watch(struct options *o, const char *value)
{
    (void)value;
    o->server.watch = true;
    return NULL;
}

static const char *set_swap_tracking(struct options *o, const char *value)
{
    o->server.service.close_tracking = strcmp(value, "push+close") == 0;
    return o->server.service.close_tracking || strcmp(value, "push") == 0
               ? NULL
               : "must be push or push+close";
}

static const char *set_cluster_enabled(struct options *o, const char *value)
{
    return set_yes_no(&o->server.service.cluster_enabled, value);
}

static const char *set_cluster_announce_ip(struct options *o, const char *value)
{
    o->server.service.cluster_announce_ip = value;
    // Clients split lines of it at spaces, and what is longer is no address.
    bool good = *value != '\0' && strlen(value) <= 64 && strpbrk(value, " \t\r\n") == NULL;
    return good ? NULL : "must be an address or a name of at most 64 bytes";
}

static const char *set_cluster_announce_port(struct options *o, const char *value)
{
    return set_number(&o->server.service.cluster_announce_port, value, 1, 65535,
                      "must be a number from 1 to 65535");
}

static const char *set_enable(enum enable_command *enable, const char *value)
{
    static const char *const words[] = {"no", "local", "yes"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(value, words[i]) == 0) {
            *enable = (enum enable_command)i;
            return NULL;
        }
    }
    return "must be no, local or yes";
}

static const char *set_admin_commands(struct options *o, const char *value)
{
    return set_enable(&o->server.service.admin_commands, value);
}

static const char *set_enable_debug(struct options *o, const char *value)
{
    return set_enable(&o->server.service.enable_debug_command, value);
}

static const char *set_enable_shutdown(struct options *o, const char *value)
{
    return set_yes_no(&o->server.service.enable_shutdown_command, value);
}

static const char *set_help(struct options *o, const char *value)
{
    (void)value;
    o->help = true;
    return NULL;
}

static const char *set_version(struct options *o, const char *value)
{
    (void)value;
    o->version = true;
    return NULL;
}

static const struct option_row rows[] = {
    {.help = "Where it listens"},
    {"--port", "PORT", "TCP port; 0: the system chooses one, none: no TCP (default 6379)",
     set_port},
    {"--bind", "ADDRESS",
     "listen there; may be repeated; * is every address, a leading - makes it optional "
     "(default 127.0.0.1 and -::1)",
     set_bind},
    {"--unixsocket", "PATH", "listen on a unix socket too", set_unixsocket},
    {"--unixsocketperm", "MODE", "its permissions in octal (default: as the umask says)",
     set_unixsocketperm},
    {"--tcp-backlog", "N", "connections the system may queue (default 511)", set_tcp_backlog},

    {.help = "What clients may do"},
    {"--protected-mode", "yes|no", "refuse clients of other hosts (default yes)",
     set_protected_mode},
    {"--requirepass", "PASSWORD", "what clients must AUTH with (others can see it in ps)",
     set_requirepass, .secret = true},
    {"--requirepass-file", "PATH", "the same from the first line of a file", set_requirepass_file},
    {"--admin-commands", "yes|local|no",
     "who may use administrative commands like CONFIG SET: all clients, those on this machine, "
     "none (default local)",
     set_admin_commands},
    {"--enable-debug-command", "no|local|yes", "whom of those DEBUG is allowed to (default no)",
     set_enable_debug},
    {"--enable-shutdown-command", "yes|no", "let those stop the server with SHUTDOWN (default no)",
     set_enable_shutdown},

    {.help = "How much they may take"},
    {"--maxclients", "N", "clients connected at once (default 10000)", set_maxclients},
    {"--maxmemory-clients", "SIZE|N%",
     "most memory for the requests and replies of all clients, then those with the most are "
     "closed; 0: no limit (default 25% of what there is)",
     set_maxmemory_clients},
    {"--timeout", "SECONDS", "close clients idle for that long; 0: never (default 0)", set_timeout},
    {"--request-timeout", "SECONDS",
     "close clients that begin a command and do not complete it for that long; 0: never "
     "(default 30)",
     set_request_timeout},
    {"--write-timeout", "SECONDS",
     "close clients that take nothing of a reply for that long; 0: never (default 60)",
     set_write_timeout},
    {"--threads", "N",
     "event loops that share the clients, 1 to 128 (default: one for each processor)", set_threads},

    {.help = "The data and its index"},
    {"--skip-malformed", NULL, "serve the good lines of a file that has malformed ones",
     set_skip_malformed},
    {"--watch", NULL, "reload the data file when another has taken its place", set_watch},
    {"--swap-tracking", "push|push+close",
     "how clients that cache learn of a reload: by an invalidation, or by their connection's end "
     "too (default push)",
     set_swap_tracking},
    {"--index", "PATH|none", "the index file (default: DATAFILE.idx); none: index in memory",
     set_index},
    {"--index-trust", "proven|sampled",
     "serve from an index file once all of the data is known to be what it was built from, or once "
     "samples are: keys may then be missed for a while (default proven)",
     set_index_trust},
    {"--index-verify", "SIZE",
     "compare all of an index file of up to that size with its checksums before the first answer, "
     "a larger one block by block as it is used (default 256mb)",
     set_index_verify},
    {"--index-pages", "shared|huge",
     "share the index file's pages with other servers, or copy it to huge pages (default shared)",
     set_index_pages},
    {"--build-memory", "SIZE",
     "most memory to build the index in, like 512mb or 1gb (default: a quarter of what there is)",
     set_build_memory},

    {.help = "The log"},
    {"--loglevel", "LEVEL", "debug, verbose, notice or warning (default notice)", set_loglevel},
    {"--logfile", "PATH", "append the log to a file (default: standard error)", set_logfile},

    {.help = "How it appears to Redis clients"},
    {"--redis-version", "VERSION",
     "announce that version of Redis in HELLO and INFO (default " STELE_REDIS_VERSION ")",
     set_redis_version},
    {"--write-error", "readonly|noperm|err",
     "the error that write commands are answered with (default readonly; noperm in a cluster)",
     set_write_error},
    {"--cluster-enabled", "yes|no",
     "answer CLUSTER as a cluster of one node that owns every slot (default no)",
     set_cluster_enabled},
    {"--cluster-announce-ip", "ADDRESS",
     "the node's address (default: the one a client has connected to)", set_cluster_announce_ip},
    {"--cluster-announce-port", "PORT", "its port (default: likewise)", set_cluster_announce_port},

    {.help = "About the program"},
    {"--help", NULL, "show this and exit", set_help},
    {"--version", NULL, "show the version and exit", set_version},
};

#define NOTHING_WRITTEN "nothing is ever written to the data file, so there is nothing to save"
#define NO_REPLICA "there is no replication; every server serves the file itself"
#define NO_USERS "there is one user, default; --requirepass-file gives it a password"
#define NO_TLS "there is no TLS; put stunnel or HAProxy before --unixsocket or --port"
#define NO_CONFIG "there is no configuration file; options stand on the command line"

// What people give to redis-server and will look for here.
static const struct option_hint hints[] = {
    {"--maxmemory", "the data stays in its file and no key is evicted, so there is nothing to "
                    "limit; --maxmemory-clients limits what clients take"},
    {"--maxmemory-*", "no key is evicted; --maxmemory-clients limits what clients take"},
    {"--daemonize", "it stays in the foreground; docs/stele-server@.service lets systemd start it"},
    {"--supervised", "systemd is told when it is ready without being asked"},
    {"--pidfile", "there is none; systemd, or the shell's $!, knows the process"},
    {"--tls-*", NO_TLS},
    {"--save", NOTHING_WRITTEN},
    {"--appendonly", NOTHING_WRITTEN},
    {"--dbfilename", NOTHING_WRITTEN},
    {"--dir", NOTHING_WRITTEN},
    {"--databases", "there is one database, 0"},
    {"--replicaof", NO_REPLICA},
    {"--slaveof", NO_REPLICA},
    {"--aclfile", NO_USERS},
    {"--user", NO_USERS},
    {"--rename-command", "--admin-commands says who may use administrative commands"},
    {"--io-threads", "--threads says how many event loops share the clients"},
    {"--config", NO_CONFIG},
    {"--include", NO_CONFIG},
    {"--tcp-keepalive", "it is 300 seconds; CONFIG SET tcp-keepalive changes it"},
    {"--slowlog-*", "CONFIG SET changes it while the server runs"},
    {"--latency-*", "CONFIG SET changes it while the server runs"},
    {"--cluster-*", "the cluster is one node: --cluster-enabled, --cluster-announce-ip and "
                    "--cluster-announce-port"},
    {"-p", "did you mean --port?"},
    {NULL, NULL},
};

static const struct option_table table = {rows, sizeof rows / sizeof *rows, hints};

// A word that is no option may be part of a password that was not quoted, or belong to words such
// as `requirepass PASSWORD`. So behind a word that speaks of passwords no word is shown.
static void refuse_second_file(const char *first, int at, char *const argv[], struct error *error)
{
    for (int i = 1; i <= at; i++) {
        if (strcasestr(argv[i], "pass") != NULL || strcasestr(argv[i], "auth") != NULL) {
            error_set(error, "more than one data file; a value with spaces needs quotes");
            return;
        }
    }
    error_set(error, "more than one data file: '%s' and '%s'", first, argv[at]);
}

static void join_binds(struct options *o)
{
    size_t len = 0;
    for (unsigned i = 0; i < o->server.bind_count && len < sizeof o->bind_text; i++)
        len += (size_t)snprintf(o->bind_text + len, sizeof o->bind_text - len, "%s%s",
                                i > 0 ? " " : "", o->binds[i]);
}

bool options_parse(struct options *o, int argc, char *const argv[], struct error *error)
{
    *o = (struct options){.log_level = LOG_NOTICE};
    o->server.tcp = true;
    o->server.binds = o->binds;
    o->server.service = (struct service_settings){
        .executable = argc > 0 ? argv[0] : "",
        .bind = o->bind_text,
        .port = DEFAULT_PORT,
        .redis_version = STELE_REDIS_VERSION,
        .unixsocket = "",
        .protected_mode = true,
        .maxclients = DEFAULT_MAXCLIENTS,
        .request_timeout = DEFAULT_REQUEST_TIMEOUT,
        .write_timeout = DEFAULT_WRITE_TIMEOUT,
        .maxmemory_clients = DEFAULT_MAXMEMORY_CLIENTS,
        .tcp_backlog = DEFAULT_BACKLOG,
        .logfile = "",
        .admin_commands = ENABLE_LOCAL,
    };
    bool only_files = false;
    for (int i = 1; i < argc; i++) {
        if (!only_files && strcmp(argv[i], "--") == 0) {
            only_files = true;
        } else if (!only_files && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!command_line_option(&table, o, argc, argv, &i, error))
                return false;
        } else if (o->data_file != NULL) {
            refuse_second_file(o->data_file, i, argv, error);
            return false;
        } else {
            o->data_file = argv[i];
        }
    }
    if (o->help || o->version)
        return true;
    if (o->data_file == NULL) {
        error_set(error, "no data file given; --help shows how");
        return false;
    }
    if (o->password_file != NULL && o->server.service.requirepass != NULL) {
        error_set(error, "--requirepass and --requirepass-file exclude each other");
        return false;
    }
    if (!o->server.tcp && *o->server.service.unixsocket == '\0') {
        error_set(error, "--port none without --unixsocket leaves nowhere to listen");
        return false;
    }
    if (!o->server.tcp)
        o->server.service.port = 0;
    // Clients of a cluster take READONLY for a node that has become a replica, and ask again.
    if (o->server.service.cluster_enabled && !o->write_error_given)
        o->server.service.write_error = WRITE_ERROR_NOPERM;
    if (o->server.bind_count == 0) {
        set_bind(o, "127.0.0.1");
        set_bind(o, "-::1");
    }
    join_binds(o);
    o->server.service.skip_malformed = o->skip_malformed;
    o->server.service.huge_pages = o->huge_pages;
    o->server.service.build_memory = o->build_memory;
    o->server.service.loglevel = log_level_name(o->log_level);
    return true;
}

bool options_read_password(struct options *o, struct error *error)
{
    if (o->password_file == NULL)
        return true;
    if (!password_read(o->password_file, o->password, error))
        return false;
    o->server.service.requirepass = o->password;
    return true;
}

void options_help(unsigned width, struct buf *to)
{
    buf_append_text(to, "usage: stele-server DATAFILE [OPTION...]\n\n");
    command_line_wrap("Serves a file of `UUID value` lines over the Redis protocol.", 0, 0, width,
                      to);
    command_line_help(&table, width, to);
}
