// Almost all options are rows of the table in serve/settings.c. This file adds --help, --version,
// the data file, and hints for users who try options of redis-server.
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "data/store.h"

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

static const char *set_setting(struct options *o, const struct option_row *row, const char *value,
                               char complaint[OPTION_COMPLAINT_MAX])
{
    _Static_assert((int)OPTION_COMPLAINT_MAX == (int)SETTING_COMPLAINT_MAX, "one buffer for both");
    return setting_read(row->context, &o->settings, value, complaint);
}

#define NOTHING_WRITTEN "nothing is ever written to the data file, so there is nothing to save"
#define NO_REPLICA "there is no replication; each server serves the file itself"
#define NO_USERS "there is one user, default; --requirepass-file gives it a password"
#define NO_TLS                                                                                     \
    "there is no TLS; HAProxy, nginx or stunnel accepts it in front of the server: see "           \
    "docs/tls.md"
#define NO_CONFIG "there is no configuration file; options are given on the command line"

// Options of redis-server that Stele does not have, with a hint for the error message.
static const struct option_hint hints[] = {
    {"--maxmemory", "the data stays in its file and no key is evicted, so there is nothing to "
                    "limit; --maxmemory-clients limits the memory of clients"},
    {"--maxmemory-*", "no key is evicted; --maxmemory-clients limits the memory of clients"},
    {"--daemonize", "the server stays in the foreground; docs/stele-server@.service lets systemd "
                    "start it"},
    {"--supervised", "the server notifies systemd of its readiness by itself"},
    {"--pidfile", "there is no pid file; use systemd, or the shell's $!"},
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
    {"--rename-command", "--admin-commands decides which clients may use administrative commands"},
    {"--io-threads", "--threads sets the number of event loops that share the clients"},
    {"--config", NO_CONFIG},
    {"--include", NO_CONFIG},
    {"--tcp-keepalive", "it is 300 seconds; CONFIG SET tcp-keepalive changes it"},
    {"--slowlog-*", "CONFIG SET changes it while the server runs"},
    {"--latency-*", "CONFIG SET changes it while the server runs"},
    {"--cluster-*", "--cluster-config names a file with all nodes; it does not change at run time"},
    {"-p", "did you mean --port?"},
    {NULL, NULL},
};

unsigned options_rows(struct option_row rows[OPTIONS_ROWS_MAX])
{
    static const struct option_row about[] = {
        {.help = "About the program"},
        {"--help", NULL, "show this help and exit", set_help},
        {"--version", NULL, "show the version and exit", set_version},
    };
    _Static_assert(OPTIONS_ROWS_MAX == SETTINGS_MAX + sizeof about / sizeof *about, "room for all");
    unsigned count = 0;
    for (unsigned i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (row->name != NULL && row->option == NULL)
            continue;
        rows[count++] = (struct option_row){
            .name = row->option,
            .value = row->argument,
            .help = row->help,
            .secret = row->secret,
            .default_value = row->default_text != NULL ? row->default_text : row->default_value,
            .context = row,
        };
    }
    memcpy(rows + count, about, sizeof about);
    return count + sizeof about / sizeof *about;
}

// Sets the error for a second data file. The second argument may be a secret: the rest of a
// password with spaces that was not quoted, or the password of a user who typed `requirepass
// SECRET`, as in redis.conf. So the message shows no arguments when one of them looks like an
// option for a password.
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

// Finds the data file of a store.
static bool find_store(struct options *o, struct error *error)
{
    if (!store_is_store(o->data_file))
        return true;
    if (o->settings.index != NULL && *o->settings.index != '\0') {
        error_set(error, "--index names one file, but each version of a store has its own index");
        return false;
    }
    size_t len = strlen(o->data_file);
    while (len > 1 && o->data_file[len - 1] == '/')
        len--;
    int wanted = snprintf(o->store_data, sizeof o->store_data, "%.*s" STORE_CURRENT_DATA, (int)len,
                          o->data_file);
    if (wanted >= (int)sizeof o->store_data) {
        error_set(error, "%s: %s", o->data_file, strerror(ENAMETOOLONG));
        return false;
    }
    o->store = o->data_file;
    o->data_file = o->store_data;
    return true;
}

bool options_parse(struct options *o, int argc, char *const argv[], struct error *error)
{
    struct option_row rows[OPTIONS_ROWS_MAX];
    const struct option_table table = {rows, options_rows(rows), hints, set_setting};
    bool only_files = false;
    *o = (struct options){.data_file = NULL};
    settings_init(&o->settings);
    o->settings.executable = argc > 0 ? argv[0] : "";
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
    return find_store(o, error) && settings_complete(&o->settings, error);
}

bool options_read_password(struct options *o, struct error *error)
{
    if (o->settings.requirepass_file == NULL)
        return true;
    if (!password_read(o->settings.requirepass_file, o->password, error))
        return false;
    o->settings.requirepass = o->password;
    return true;
}

void options_help(unsigned width, struct buf *to)
{
    struct option_row rows[OPTIONS_ROWS_MAX];
    const struct option_table table = {.rows = rows, .count = options_rows(rows)};
    buf_append_text(to, "usage: stele-server DATAFILE [OPTION...]\n\n");
    command_line_wrap(
        "Serves a file of `UUID value` lines, or the current version of a store of such "
        "files, over the Redis protocol.",
        0, 0, width, to);
    command_line_help(&table, width, to);
}
