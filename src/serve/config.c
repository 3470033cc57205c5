// CONFIG GET: the options of this server under Redis's names, and the few of Redis's own that
// tools ask for, with the only value they can have here.
#include <stdio.h>

#include "base/glob.h"
#include "serve/handlers.h"
#include "serve/session.h"

enum {
    VALUE_MAX = 32,
    // Matching is not divided into turns, so what one command may ask is bounded: so many bytes of
    // patterns, each counted as one more.
    PATTERN_BYTES_MAX = 4096,
};

enum setting_kind {
    SETTING_FIXED,
    SETTING_TEXT,
    SETTING_NUMBER,
    SETTING_OCTAL,
    SETTING_YES_NO,
    SETTING_ENABLE
};

struct setting {
    const char *name;
    enum setting_kind kind;
    const char *fixed;
    size_t offset; // of the field in struct service_settings
};

#define FIELD(name) offsetof(struct service_settings, name)

static const struct setting settings[] = {
    {"appendonly", SETTING_FIXED, "no", 0},
    {"bind", SETTING_TEXT, NULL, FIELD(bind)},
    {"client-query-buffer-limit", SETTING_FIXED, "67108864", 0},
    {"databases", SETTING_FIXED, "1", 0},
    {"enable-debug-command", SETTING_ENABLE, NULL, FIELD(enable_debug_command)},
    {"enable-shutdown-command", SETTING_YES_NO, NULL, FIELD(enable_shutdown_command)},
    {"io-threads", SETTING_NUMBER, NULL, FIELD(threads)},
    {"logfile", SETTING_TEXT, NULL, FIELD(logfile)},
    {"loglevel", SETTING_TEXT, NULL, FIELD(loglevel)},
    {"maxclients", SETTING_NUMBER, NULL, FIELD(maxclients)},
    {"maxmemory", SETTING_FIXED, "0", 0},
    {"maxmemory-policy", SETTING_FIXED, "noeviction", 0},
    {"port", SETTING_NUMBER, NULL, FIELD(port)},
    {"protected-mode", SETTING_YES_NO, NULL, FIELD(protected_mode)},
    {"proto-max-bulk-len", SETTING_FIXED, "1048576", 0},
    {"replica-read-only", SETTING_FIXED, "yes", 0},
    {"save", SETTING_FIXED, "", 0},
    {"slave-read-only", SETTING_FIXED, "yes", 0},
    {"tcp-backlog", SETTING_NUMBER, NULL, FIELD(tcp_backlog)},
    {"tcp-keepalive", SETTING_FIXED, "300", 0},
    {"timeout", SETTING_NUMBER, NULL, FIELD(timeout)},
    {"unixsocket", SETTING_TEXT, NULL, FIELD(unixsocket)},
    {"unixsocketperm", SETTING_OCTAL, NULL, FIELD(unixsocketperm)},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

_Static_assert(SESSION_INPUT_MAX == 67108864, "client-query-buffer-limit tells the real one");
_Static_assert(RESP_BULK_MAX == 1048576, "proto-max-bulk-len tells the real one");

static const char *setting_value(const struct setting *setting,
                                 const struct service_settings *values, char *number)
{
    static const char *const enable_names[] = {"no", "local", "yes"};
    const char *field = (const char *)values + setting->offset;
    switch (setting->kind) {
    case SETTING_FIXED: return setting->fixed;
    case SETTING_TEXT: return *(const char *const *)(const void *)field;
    case SETTING_YES_NO: return *(const bool *)(const void *)field ? "yes" : "no";
    case SETTING_ENABLE: return enable_names[*(const enum enable_command *)(const void *)field];
    case SETTING_NUMBER:
    case SETTING_OCTAL: break;
    }
    snprintf(number, VALUE_MAX, setting->kind == SETTING_OCTAL ? "%o" : "%u",
             *(const unsigned *)(const void *)field);
    return number;
}

// The first pattern among the arguments that the setting matches, or 0.
static uint32_t matching_argument(const struct resp_request *r, const struct setting *setting)
{
    for (uint32_t i = 2; i < r->argc; i++)
        if (glob_match(resp_arg(r, i), span_text(setting->name), GLOB_CASE_INSENSITIVE))
            return i;
    return 0;
}

enum command_result config_get_command(struct session *s, const struct resp_request *r)
{
    char number[VALUE_MAX];
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
    session_charge(s, pattern_bytes);
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
        resp_bulk_text(&s->reply, setting_value(&settings[i], s->service->settings, number));
    }
    return COMMAND_DONE;
}
