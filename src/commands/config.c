// CONFIG: the options of this server under Redis's names, and the few of Redis's own that tools ask
// for, with the only value they can have here. What can change while the server runs is read and
// written in the group's `live`; everything else is as it was at the start.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/number.h"
#include "commands/table.h"
#include "data/dataset.h"
#include "serve/session.h"

enum {
    VALUE_MAX = 4 * PATH_MAX + 1, // a path of which each byte is spelled out
    // Matching is not divided into turns, so what one command may ask is bounded: so many bytes of
    // patterns, each counted as one more.
    PATTERN_BYTES_MAX = 4096,
    // CONFIG RESETSTAT reads those of all loops in one go.
    RESET_COUNTERS = 16,
};

enum setting_kind {
    SETTING_FIXED,
    SETTING_TEXT,
    SETTING_NUMBER,
    SETTING_SIZE,
    SETTING_OCTAL,
    SETTING_YES_NO,
    SETTING_ENABLE,
    SETTING_PAGES,
    SETTING_INDEX,
    SETTING_LIVE_NUMBER, // this and those behind it can be set
    SETTING_LIVE_YES_NO,
    SETTING_LIVE_LEVEL,
    SETTING_LIVE_MEMORY, // bytes, or percent as negative numbers
    SETTING_LIVE_PERCENTILES,
};

struct setting {
    const char *name;
    enum setting_kind kind;
    const char *fixed;
    size_t at; // offset of the field in struct service_settings, or an enum live_setting
    // That CONFIG SET refuses at once, as in Redis. Of the others that cannot change here it takes
    // the value they have.
    bool immutable;
    int64_t min, max; // of a live number
};

#define FIELD(name) offsetof(struct service_settings, name)
#define LIVE(name) NULL, LIVE_##name, false

static const struct setting settings[] = {
    {"admin-commands", SETTING_ENABLE, NULL, FIELD(admin_commands), true},
    {"appendonly", SETTING_FIXED, "no", 0},
    {"bind", SETTING_TEXT, NULL, FIELD(bind)},
    {"build-memory", SETTING_SIZE, NULL, FIELD(build_memory), true},
    {"client-query-buffer-limit", SETTING_FIXED, "67108864", 0},
    {"cluster-enabled", SETTING_YES_NO, NULL, FIELD(cluster_enabled), true},
    {"databases", SETTING_FIXED, "1", 0, true},
    {"enable-debug-command", SETTING_ENABLE, NULL, FIELD(enable_debug_command), true},
    {"enable-shutdown-command", SETTING_YES_NO, NULL, FIELD(enable_shutdown_command), true},
    {"hz", SETTING_FIXED, "10", 0},
    {"index", SETTING_INDEX, NULL, 0, true},
    {"index-pages", SETTING_PAGES, NULL, FIELD(huge_pages), true},
    {"io-threads", SETTING_NUMBER, NULL, FIELD(threads), true},
    {"latency-monitor-threshold", SETTING_LIVE_NUMBER, LIVE(LATENCY_MONITOR_THRESHOLD), 0,
     INT64_MAX},
    {"latency-tracking", SETTING_LIVE_YES_NO, LIVE(LATENCY_TRACKING)},
    {"latency-tracking-info-percentiles", SETTING_LIVE_PERCENTILES, NULL, 0},
    {"logfile", SETTING_TEXT, NULL, FIELD(logfile), true},
    {"loglevel", SETTING_LIVE_LEVEL, LIVE(LOGLEVEL)},
    {"maxclients", SETTING_LIVE_NUMBER, LIVE(MAXCLIENTS), 1, UINT32_MAX},
    {"maxmemory", SETTING_FIXED, "0", 0},
    {"maxmemory-clients", SETTING_LIVE_MEMORY, LIVE(MAXMEMORY_CLIENTS)},
    {"maxmemory-policy", SETTING_FIXED, "noeviction", 0},
    {"notify-keyspace-events", SETTING_FIXED, "", 0},
    {"port", SETTING_NUMBER, NULL, FIELD(port)},
    {"protected-mode", SETTING_YES_NO, NULL, FIELD(protected_mode)},
    {"proto-max-bulk-len", SETTING_FIXED, "1048576", 0},
    {"replica-read-only", SETTING_FIXED, "yes", 0},
    {"request-timeout", SETTING_LIVE_NUMBER, LIVE(REQUEST_TIMEOUT), 0, INT32_MAX},
    {"save", SETTING_FIXED, "", 0},
    {"skip-malformed", SETTING_YES_NO, NULL, FIELD(skip_malformed), true},
    {"slave-read-only", SETTING_FIXED, "yes", 0},
    {"slowlog-log-slower-than", SETTING_LIVE_NUMBER, LIVE(SLOWLOG_LOG_SLOWER_THAN), -1, INT64_MAX},
    {"slowlog-max-len", SETTING_LIVE_NUMBER, LIVE(SLOWLOG_MAX_LEN), 0, SLOW_LOG_MAX},
    {"tcp-backlog", SETTING_NUMBER, NULL, FIELD(tcp_backlog), true},
    {"tcp-keepalive", SETTING_LIVE_NUMBER, LIVE(TCP_KEEPALIVE), 0, INT32_MAX},
    {"threads", SETTING_NUMBER, NULL, FIELD(threads), true},
    {"timeout", SETTING_LIVE_NUMBER, LIVE(TIMEOUT), 0, INT32_MAX},
    {"unixsocket", SETTING_TEXT, NULL, FIELD(unixsocket), true},
    {"unixsocketperm", SETTING_OCTAL, NULL, FIELD(unixsocketperm), true},
    {"write-timeout", SETTING_LIVE_NUMBER, LIVE(WRITE_TIMEOUT), 0, INT32_MAX},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

_Static_assert(SESSION_INPUT_MAX == 67108864, "client-query-buffer-limit tells the real one");
_Static_assert(RESP_BULK_MAX == 1048576, "proto-max-bulk-len tells the real one");

static const char *setting_value(const struct setting *setting, const struct session *s,
                                 char to[VALUE_MAX])
{
    static const char *const enable_names[] = {"no", "local", "yes"};
    const struct service *service = s->service;
    const char *field = (const char *)service->settings + setting->at;
    int64_t live = setting->kind >= SETTING_LIVE_NUMBER && setting->at < LIVE_SETTINGS
                       ? service_live(service, (enum live_setting)setting->at)
                       : 0;
    const char *index;
    struct percentiles percentiles;
    switch (setting->kind) {
    case SETTING_FIXED: return setting->fixed;
    case SETTING_TEXT: escape_text(*(const char *const *)(const void *)field, to, VALUE_MAX); break;
    case SETTING_YES_NO: return *(const bool *)(const void *)field ? "yes" : "no";
    case SETTING_ENABLE: return enable_names[*(const enum enable_command *)(const void *)field];
    case SETTING_PAGES: return *(const bool *)(const void *)field ? "huge" : "shared";
    case SETTING_INDEX:
        index = dataset_index_path(session_dataset(s));
        escape_text(*index != '\0' ? index : "none", to, VALUE_MAX);
        break;
    case SETTING_NUMBER:
        snprintf(to, VALUE_MAX, "%u", *(const unsigned *)(const void *)field);
        break;
    case SETTING_SIZE:
        snprintf(to, VALUE_MAX, "%llu", (unsigned long long)*(const uint64_t *)(const void *)field);
        break;
    case SETTING_OCTAL:
        snprintf(to, VALUE_MAX, "%o", *(const unsigned *)(const void *)field);
        break;
    case SETTING_LIVE_NUMBER: snprintf(to, VALUE_MAX, "%lld", (long long)live); break;
    case SETTING_LIVE_MEMORY:
        snprintf(to, VALUE_MAX, live < 0 ? "%lld%%" : "%lld", llabs((long long)live));
        break;
    case SETTING_LIVE_YES_NO: return live != 0 ? "yes" : "no";
    case SETTING_LIVE_LEVEL: return log_level_name((enum log_level)live);
    case SETTING_LIVE_PERCENTILES:
        percentiles = service_percentiles(service);
        percentiles_format(&percentiles, to, VALUE_MAX);
        break;
    }
    return to;
}

// The first pattern among the arguments that the setting matches, or 0.
static uint32_t matching_argument(const struct resp_request *r, const struct setting *setting)
{
    for (uint32_t i = 2; i < r->argc; i++)
        if (glob_match(resp_arg(r, i), span_text(setting->name), GLOB_CASE_INSENSITIVE))
            return i;
    return 0;
}

static enum command_result config_get_command(struct session *s, const struct resp_request *r)
{
    char value[VALUE_MAX];
    uint32_t matched_by[SETTINGS];
    uint64_t matches = 0;
    uint64_t pattern_bytes = 0;
    for (uint32_t i = 2; i < r->argc && pattern_bytes <= PATTERN_BYTES_MAX; i++)
        pattern_bytes += 1 + resp_arg(r, i).len;
    if (pattern_bytes > PATTERN_BYTES_MAX) {
        resp_error(&s->reply, "ERR CONFIG GET takes at most %d bytes of patterns",
                   PATTERN_BYTES_MAX);
        return COMMAND_DONE;
    }
    session_charge(s, pattern_bytes + SETTINGS);
    for (unsigned i = 0; i < SETTINGS; i++) {
        matched_by[i] = matching_argument(r, &settings[i]);
        matches += matched_by[i] != 0;
    }
    resp_map(&s->reply, matches);
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (matched_by[i] == 0)
            continue;
        // A name asked for in full comes back as the client wrote it.
        struct span asked = resp_arg(r, matched_by[i]);
        if (span_is(asked, settings[i].name))
            resp_bulk(&s->reply, asked);
        else
            resp_bulk_text(&s->reply, settings[i].name);
        resp_bulk_text(&s->reply, setting_value(&settings[i], s, value));
    }
    return COMMAND_DONE;
}

// ---- CONFIG SET ---------------------------------------------------------------------------------

// A value that a setting is to have, read and found good.
struct change {
    const struct setting *setting;
    struct span name; // as the client wrote it
    struct span text;
    int64_t number;
};

// Every setting once at most, and all are changed together.
struct changes {
    unsigned count;
    struct change change[SETTINGS];
    struct percentiles percentiles;
};

static void reply_failed(struct session *s, const struct setting *setting, const char *why)
{
    resp_error(&s->reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
               setting->name, why);
}

static const struct setting *find_setting(struct span name)
{
    for (unsigned i = 0; i < SETTINGS; i++)
        if (span_is(name, settings[i].name))
            return &settings[i];
    return NULL;
}

// Takes down what is to be set to what. False, with the error written, when something cannot be
// set at all.
static bool read_names(struct session *s, const struct resp_request *r, struct changes *changes)
{
    for (uint32_t i = 2; i < r->argc; i += 2) {
        struct span name = resp_arg(r, i);
        const struct setting *setting = find_setting(name);
        const char *why =
            setting != NULL && setting->immutable ? "can't set immutable config" : NULL;
        if (setting == NULL) {
            resp_error(&s->reply,
                       "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                       session_echoed(name), name.ptr);
            return false;
        }
        for (unsigned j = 0; j < changes->count && why == NULL; j++)
            why = changes->change[j].setting == setting ? "duplicate parameter" : NULL;
        if (why != NULL) {
            reply_failed(s, setting, why);
            return false;
        }
        changes->change[changes->count++] =
            (struct change){.setting = setting, .name = name, .text = resp_arg(r, i + 1)};
    }
    return true;
}

// The three below: NULL, or what is wrong with the value, perhaps written at `why`.
enum { WHY_MAX = 160 };

static const char *read_number(const struct service *service, struct change *change, char *why)
{
    const struct setting *setting = change->setting;
    unsigned most = service->settings->maxclients_most;
    if (most < service->settings->maxclients)
        most = service->settings->maxclients;
    if (!number_parse(change->text, &change->number))
        return "argument couldn't be parsed into an integer";
    if (change->number < setting->min || change->number > setting->max) {
        snprintf(why, WHY_MAX, "argument must be between %lld and %lld inclusive",
                 (long long)setting->min, (long long)setting->max);
        return why;
    }
    if (setting->at == LIVE_MAXCLIENTS && change->number > most) {
        snprintf(why, WHY_MAX,
                 "The operating system is not able to handle the specified number of clients, try "
                 "with %u",
                 most);
        return why;
    }
    return NULL;
}

static const char *read_value(const struct session *s, struct change *change,
                              struct changes *changes, char *why)
{
    char value[VALUE_MAX];
    char level_text[16] = "";
    enum log_level level;
    switch (change->setting->kind) {
    case SETTING_LIVE_NUMBER: return read_number(s->service, change, why);
    case SETTING_LIVE_MEMORY:
        if (number_parse_memory_or_percent(change->text, &change->number))
            return NULL;
        return change->text.len > 0 && change->text.ptr[change->text.len - 1] == '%' &&
                       number_parse(span_of(change->text.ptr, change->text.len - 1),
                                    &change->number) &&
                       change->number > 100
                   ? "percentage argument must be less or equal to 100"
                   : "argument must be a memory or percent value";
    case SETTING_LIVE_YES_NO:
        change->number = span_is(change->text, "yes");
        return change->number != 0 || span_is(change->text, "no")
                   ? NULL
                   : "argument must be 'yes' or 'no'";
    case SETTING_LIVE_LEVEL:
        if (change->text.len < sizeof level_text)
            memcpy(level_text, change->text.ptr, change->text.len);
        if (!log_level_parse(level_text, &level))
            return "argument(s) must be one of the following: debug, verbose, notice, warning";
        change->number = level;
        return NULL;
    case SETTING_LIVE_PERCENTILES: return percentiles_parse(&changes->percentiles, change->text);
    default: // it has a value, and that is the only one it can have
        return span_is(change->text, setting_value(change->setting, s, value))
                   ? NULL
                   : "can't set immutable config";
    }
}

static void apply(struct service *service, const struct changes *changes)
{
    struct service_group *group = service->group;
    for (unsigned i = 0; i < changes->count; i++) {
        const struct change *change = &changes->change[i];
        if (change->setting->kind == SETTING_LIVE_PERCENTILES) {
            pthread_mutex_lock(&group->observation.lock);
            group->observation.percentiles = changes->percentiles;
            pthread_mutex_unlock(&group->observation.lock);
        } else if (change->setting->kind >= SETTING_LIVE_NUMBER) {
            atomic_store(&group->live[change->setting->at], change->number);
        }
        if (change->setting->kind == SETTING_LIVE_LEVEL)
            log_set_level((enum log_level)change->number);
    }
    if (group->settings_changed != NULL)
        group->settings_changed(group->settings_context);
}

// What cannot be set is found first, then the values are read, then all are set: in Redis's order.
static enum command_result config_set_command(struct session *s, const struct resp_request *r)
{
    struct changes changes = {0};
    char why[WHY_MAX];
    if (r->argc % 2 != 0) {
        resp_error(&s->reply, "ERR syntax error");
        return COMMAND_DONE;
    }
    if (!read_names(s, r, &changes))
        return COMMAND_DONE;
    for (unsigned i = 0; i < changes.count; i++) {
        const char *wrong = read_value(s, &changes.change[i], &changes, why);
        if (wrong != NULL) {
            reply_failed(s, changes.change[i].setting, wrong);
            return COMMAND_DONE;
        }
    }
    apply(s->service, &changes);
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// The cursor counts the counters that are reset.
static enum command_result config_resetstat_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    static const uint64_t all = (sizeof(struct stats) - STATS_RESET_FROM) / sizeof(struct counter);
    while (s->cursor < all) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        uint64_t count = all - s->cursor < RESET_COUNTERS ? all - s->cursor : RESET_COUNTERS;
        service_reset(s->service, STATS_RESET_FROM + s->cursor * sizeof(struct counter), count);
        session_charge(s, s->service->group->count / 2);
        s->cursor += count;
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

// The values of options that nobody should read.
static bool is_config_secret(const struct resp_request *r, uint32_t i)
{
    static const char *const options[] = {"requirepass", "masterauth", "masteruser",
                                          "tls-key-file-pass", "tls-client-key-file-pass"};
    bool secret = false;
    for (unsigned o = 0; i >= 3 && i % 2 == 1 && o < sizeof options / sizeof *options; o++)
        secret |= span_is(resp_arg(r, i - 1), options[o]);
    return secret;
}

// ---- the rows -----------------------------------------------------------------------------------

// clang-format off: rows are tables

static const struct command_argument one_pattern[] = {{"parameter", "string", NULL, 0, NULL}, {0}};
static const struct command_argument patterns[] = {
    {"parameter", "block", NULL, ARGUMENT_MULTIPLE, one_pattern}, {0}};
static const struct command_argument setting_and_value[] = {
    {"parameter", "string", NULL, 0, NULL}, {"value", "string", NULL, 0, NULL}, {0}};
static const struct command_argument settings_and_values[] = {
    {"parameter_value", "block", NULL, ARGUMENT_MULTIPLE, setting_and_value}, {0}};
static const struct command_change config_get_history[] = {{"7.0.0", "Takes several patterns"},
                                                           {0}};

const struct command config_commands[] = {
    {"config", -2, 0, NO_KEYS, GROUP_SERVER, "2.0.0", 0, NULL,
     "Commands about the options of the server", NULL},
    {"config|get", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.0.0", 0, config_get_command,
     "The values of the options that match the patterns", "O(N) where N is the number of options",
     NULL, patterns, .history = config_get_history,
     .deviation = "The options are Stele's under Redis's names, and those of Redis that tools "
                  "ask for. At most 4,096 bytes of patterns, as matching them is one step."},
    {"config|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", 0, help_command,
     "These lines", "O(1)"},
    {"config|resetstat", 2, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.0.0", 0,
     config_resetstat_command, "Sets the counters in INFO to 0",
     "O(N) where N is the number of commands and of event loops"},
    {"config|rewrite", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.0", 0,
     config_rewrite_command, "An error, as there is no configuration file", "O(1)"},
    {"config|set", -4, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.0.0", 0,
     config_set_command, "Changes options that can change while the server runs, all or none",
     "O(N) where N is the number of options given",
     "request_policy:all_nodes response_policy:all_succeeded", settings_and_values,
     .is_secret = is_config_secret},
    {0},
};
