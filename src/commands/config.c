// CONFIG: reads and changes the options of the server. Each option is a row of serve/settings. Some
// rows are options that only Redis has, for tools that read them.
//
// Options that CONFIG SET can change are stored in `runtime` of the service group, which all event
// loops read. The others keep the value that they had at the start.
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/glob.h"
#include "base/log.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/session.h"

enum {
    // Bytes of all patterns of one CONFIG GET, and one more for each pattern. Bounded, because one
    // turn matches all of them.
    PATTERN_BYTES_MAX = 4096,
    // Counters that CONFIG RESETSTAT resets in one step. For each, it adds up the values of all
    // loops; later reports subtract this sum.
    RESET_COUNTERS = 16,
};

// The table of settings contains these two limits as text, so it cannot use the constants. The
// text and the constant must be equal.
_Static_assert(SESSION_INPUT_MAX == 67108864, "client-query-buffer-limit");
_Static_assert(RESP_BULK_MAX == 1048576, "proto-max-bulk-len");

// Returns true if clients may know the setting. Rows without a name are headings of --help, and
// CONFIG must not reveal passwords.
static bool is_public(const struct setting *setting)
{
    return setting->name != NULL && !setting->secret;
}

// Returns the present value of the setting, in `to` or in a constant string.
static const char *setting_value(const struct setting *setting, const struct session *s,
                                 char to[SETTING_VALUE_MAX])
{
    const struct service *service = s->service;
    const char *index;
    struct percentiles percentiles;
    switch (setting->type) {
    case SETTING_INDEX:
        index = dataset_index_path(session_dataset(s));
        escape_text(*index != '\0' ? index : "none", to, SETTING_VALUE_MAX);
        return to;
    case SETTING_PERCENTILES:
        percentiles = service_percentiles(service);
        percentiles_format(&percentiles, to, SETTING_VALUE_MAX);
        return to;
    default: return setting_format(setting, service->settings, &service->group->runtime, to);
    }
}

// Returns the argument number of the first pattern that matches the name of the setting. Returns 0
// if none does.
static uint32_t matching_argument(const struct resp_request *r, const struct setting *setting)
{
    for (uint32_t i = 2; i < r->argc; i++)
        if (glob_match(resp_arg(r, i), span_text(setting->name), GLOB_CASE_INSENSITIVE))
            return i;
    return 0;
}

// A setting that a pattern has matched.
struct match {
    const struct setting *setting;
    uint32_t argument; // argument number of the pattern
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct match *)a)->setting->name,
                  ((const struct match *)b)->setting->name);
}

// Finds the settings that match a pattern, in the order of their names. Returns their number.
static unsigned find_matches(const struct resp_request *r, struct match matches[SETTINGS_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < settings_count; i++) {
        const struct setting *setting = &settings_table[i];
        uint32_t argument = is_public(setting) ? matching_argument(r, setting) : 0;
        if (argument != 0)
            matches[count++] = (struct match){setting, argument};
    }
    qsort(matches, count, sizeof *matches, compare_names);
    return count;
}

static enum command_result config_get_command(struct session *s, const struct resp_request *r)
{
    char value[SETTING_VALUE_MAX];
    struct match matches[SETTINGS_MAX];
    uint64_t pattern_bytes = 0;
    for (uint32_t i = 2; i < r->argc && pattern_bytes <= PATTERN_BYTES_MAX; i++)
        pattern_bytes += 1 + resp_arg(r, i).len;
    if (pattern_bytes > PATTERN_BYTES_MAX) {
        resp_error(&s->reply, "ERR CONFIG GET takes at most %d bytes of patterns",
                   PATTERN_BYTES_MAX);
        return COMMAND_DONE;
    }
    session_charge(s, pattern_bytes + settings_count);
    unsigned count = find_matches(r, matches);
    resp_map(&s->reply, count);
    for (unsigned i = 0; i < count; i++) {
        // If the client gave the full name, the reply repeats it in the client's upper and lower
        // case.
        const struct setting *setting = matches[i].setting;
        struct span pattern = resp_arg(r, matches[i].argument);
        if (span_is(pattern, setting->name))
            resp_bulk(&s->reply, pattern);
        else
            resp_bulk_text(&s->reply, setting->name);
        resp_bulk_text(&s->reply, setting_value(setting, s, value));
    }
    return COMMAND_DONE;
}

// ---- CONFIG SET ---------------------------------------------------------------------------------

// A new value for a setting.
struct change {
    const struct setting *setting;
    struct span text; // as in the request
    int64_t number;   // the value that `text` stands for; set by read_value
};

// All changes of a command, at most one for each setting. They are applied together.
struct changes {
    unsigned count;
    struct change change[SETTINGS_MAX];
    struct percentiles percentiles; // new value of the setting of type SETTING_PERCENTILES, if
                                    // it is one of those that change
};

static void reply_failed(struct session *s, const struct setting *setting, const char *why)
{
    resp_error(&s->reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
               setting->name, why);
}

static const struct setting *find_setting(struct span name)
{
    for (unsigned i = 0; i < settings_count; i++)
        if (is_public(&settings_table[i]) && span_is(name, settings_table[i].name))
            return &settings_table[i];
    return NULL;
}

// Reads which settings to change, and to what text. Replies with an error and returns false if a
// setting is unknown, cannot change, or occurs twice.
static bool read_names(struct session *s, const struct resp_request *r, struct changes *changes)
{
    for (uint32_t i = 2; i < r->argc; i += 2) {
        struct span name = resp_arg(r, i);
        const struct setting *setting = find_setting(name);
        if (setting == NULL) {
            resp_error(&s->reply,
                       "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                       session_echoed(name), name.ptr);
            return false;
        }
        const char *why = setting->change == SETTING_FIXED ? "can't set immutable config" : NULL;
        for (unsigned j = 0; j < changes->count && why == NULL; j++)
            why = changes->change[j].setting == setting ? "duplicate parameter" : NULL;
        if (why != NULL) {
            reply_failed(s, setting, why);
            return false;
        }
        changes->change[changes->count++] =
            (struct change){.setting = setting, .text = resp_arg(r, i + 1)};
    }
    return true;
}

// Returns NULL if there are enough file descriptors for `maxclients` clients. Otherwise writes the
// error to `why` and returns it.
static const char *check_maxclients(const struct settings *settings, int64_t maxclients,
                                    char why[SETTING_COMPLAINT_MAX])
{
    int64_t most = settings->maxclients_most;
    if (most < runtime_get(&settings->runtime.maxclients))
        most = runtime_get(&settings->runtime.maxclients);
    if (maxclients <= most)
        return NULL;
    snprintf(why, SETTING_COMPLAINT_MAX,
             "The operating system is not able to handle the specified number of clients, try with "
             "%lld",
             (long long)most);
    return why;
}

// Reads the new value of a change. Returns NULL if it is valid, else the error, which may be in
// `why`.
static const char *read_value(const struct session *s, struct change *change,
                              struct changes *changes, char why[SETTING_COMPLAINT_MAX])
{
    char value[SETTING_VALUE_MAX];
    const struct setting *setting = change->setting;
    const struct settings *settings = s->service->settings;
    if (setting->change == SETTING_KEPT)
        return span_is(change->text, setting_value(setting, s, value))
                   ? NULL
                   : "can't set immutable config";
    if (setting->type == SETTING_PERCENTILES)
        return percentiles_parse(&changes->percentiles, change->text);
    const char *error = setting_read_change(setting, change->text, &change->number, why);
    if (error == NULL && setting->offset == offsetof(struct settings, runtime.maxclients))
        error = check_maxclients(settings, change->number, why);
    return error;
}

// Sets all new values, then notifies the loops.
static void apply(struct service *service, const struct changes *changes)
{
    struct service_group *group = service->group;
    for (unsigned i = 0; i < changes->count; i++) {
        const struct change *change = &changes->change[i];
        const struct setting *setting = change->setting;
        if (setting->type == SETTING_PERCENTILES) {
            pthread_mutex_lock(&group->observation.lock);
            group->observation.percentiles = changes->percentiles;
            pthread_mutex_unlock(&group->observation.lock);
        } else if (setting->change == SETTING_RUNTIME) {
            atomic_store(setting_runtime(setting, &group->runtime), change->number);
        }
        if (setting->offset == offsetof(struct settings, runtime.loglevel))
            log_set_level((enum log_level)change->number);
    }
    if (group->settings_changed != NULL)
        group->settings_changed(group->settings_context);
}

// As in Redis, first checks all names, then reads all values, and only then sets any of them.
static enum command_result config_set_command(struct session *s, const struct resp_request *r)
{
    struct changes changes = {0};
    char why[SETTING_COMPLAINT_MAX];
    if (r->argc % 2 != 0) {
        reply_syntax_error(s);
        return COMMAND_DONE;
    }
    if (!read_names(s, r, &changes))
        return COMMAND_DONE;
    for (unsigned i = 0; i < changes.count; i++) {
        const char *error = read_value(s, &changes.change[i], &changes, why);
        if (error != NULL) {
            reply_failed(s, changes.change[i].setting, error);
            return COMMAND_DONE;
        }
    }
    apply(s->service, &changes);
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// `s->request.cursor` is the number of counters already reset.
static enum command_result config_resetstat_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    static const uint64_t all = (sizeof(struct stats) - STATS_RESET_FROM) / sizeof(struct counter);
    while (s->request.cursor < all) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        uint64_t count =
            all - s->request.cursor < RESET_COUNTERS ? all - s->request.cursor : RESET_COUNTERS;
        service_reset(s->service, STATS_RESET_FROM + s->request.cursor * sizeof(struct counter),
                      count);
        session_charge(s, s->service->group->count / 2);
        s->request.cursor += count;
    }
    atomic_fetch_add(&s->service->group->observation.histogram_resets, 1);
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

static enum command_result config_rewrite_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_error(&s->reply, "ERR The server is running without a config file");
    return COMMAND_DONE;
}

// Returns whether the slow log must hide argument `i`: the value of one of these options. They are
// passwords, and `masteruser`, the user name that belongs to `masterauth`.
static bool is_config_secret(const struct resp_request *r, uint32_t i)
{
    static const char *const options[] = {"requirepass", "masterauth", "masteruser",
                                          "tls-key-file-pass", "tls-client-key-file-pass"};
    bool secret = false;
    for (unsigned o = 0; i >= 3 && i % 2 == 1 && o < sizeof options / sizeof *options; o++)
        secret |= span_is(resp_arg(r, i - 1), options[o]);
    return secret;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument one_pattern[] = {{"parameter", "string", NULL, 0, NULL}, {0}};
static const struct command_argument patterns[] = {
    {"parameter", "block", NULL, ARGUMENT_MULTIPLE, one_pattern}, {0}};
static const struct command_argument setting_and_value[] = {
    {"parameter", "string", NULL, 0, NULL}, {"value", "string", NULL, 0, NULL}, {0}};
static const struct command_argument settings_and_values[] = {
    {"parameter_value", "block", NULL, ARGUMENT_MULTIPLE, setting_and_value}, {0}};
static const struct command_change config_get_history[] = {{"7.0.0", "Accepts several patterns"},
                                                           {0}};

const struct command config_commands[] = {
    {"config", -2, 0, NO_KEYS, GROUP_SERVER, "2.0.0", 0, NULL,
     "A container for the commands about the options of the server", NULL},
    {"config|get", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.0.0", 0, config_get_command,
     "Returns the values of the options that match the patterns",
     "O(N) where N is the number of options", NULL, patterns, .history = config_get_history,
     .deviation = "Returns the options of Stele, without the `--` before their names. It also "
                  "returns some options of Redis that Stele does not have, because tools ask for "
                  "them. `requirepass` is never returned. All patterns together have at most "
                  "4,096 bytes, as they are matched in one step."},
    {"config|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"config|resetstat", 2, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.0.0", 0,
     config_resetstat_command, "Resets the counters of INFO to 0",
     "O(N*M) where N is the number of commands and M is the number of event loops"},
    {"config|rewrite", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.0", 0,
     config_rewrite_command, "Returns an error, as there is no configuration file", "O(1)"},
    {"config|set", -4, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.0.0", 0,
     config_set_command,
     "Sets options while the server runs; if one value is invalid, no option changes",
     "O(N) where N is the number of options given",
     "request_policy:all_nodes response_policy:all_succeeded", settings_and_values,
     .is_secret = is_config_secret},
    {0},
};
