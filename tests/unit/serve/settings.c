// The table of options: every row has what its type needs, every default is a valid value, and each
// type reads and formats its values.
#include "serve/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/talk.h"
#include "support/tap.h"

static const struct setting *find(const char *name)
{
    for (unsigned i = 0; i < settings_count; i++)
        if (settings_table[i].name != NULL && strcmp(settings_table[i].name, name) == 0)
            return &settings_table[i];
    require(false, "no setting %s", name);
    return NULL;
}

// Returns the size that the row's field must have, 0 for a row without a field. Where a type allows
// several sizes, returns the row's own.
static size_t size_of(const struct setting *row)
{
    switch (row->type) {
    case SETTING_CONSTANT:
    case SETTING_PERCENTILES: return 0;
    case SETTING_FLAG: return sizeof(bool);
    case SETTING_OCTAL: return sizeof(unsigned);
    case SETTING_SIZE:
    case SETTING_MEMORY: return sizeof(int64_t);
    case SETTING_TEXT:
    case SETTING_INDEX: return sizeof(char *);
    case SETTING_LIST: return sizeof(struct setting_list);
    case SETTING_YES_NO:
    case SETTING_WORD:
    case SETTING_NUMBER: break;
    }
    if (row->change == SETTING_RUNTIME)
        return sizeof(int64_t);
    return row->type == SETTING_YES_NO ? sizeof(bool) : row->size;
}

static bool is_sound(const struct setting *row)
{
    bool has_field = row->type != SETTING_CONSTANT && row->type != SETTING_PERCENTILES;
    bool runtime = row->change == SETTING_RUNTIME && has_field;
    bool in_runtime = has_field && row->offset < sizeof(struct runtime_settings);
    bool has_argument = row->option != NULL && row->type != SETTING_FLAG;
    return row->size == size_of(row) && runtime == in_runtime &&
           (row->argument != NULL) == has_argument &&
           (row->option != NULL) == (row->help != NULL) &&
           (row->option == NULL ||
            (strncmp(row->option, "--", 2) == 0 && strcmp(row->option + 2, row->name) == 0)) &&
           (row->type == SETTING_WORD) == (row->words != NULL) &&
           (row->type != SETTING_CONSTANT || row->default_value != NULL) &&
           (row->help == NULL || row->help[strlen(row->help) - 1] != '.');
}

static void check_rows(void)
{
    unsigned bad = 0;
    for (unsigned i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        bool good = row->name != NULL ? is_sound(row) : row->help != NULL && row->option == NULL;
        for (unsigned j = 0; j < i && row->name != NULL; j++)
            good &=
                settings_table[j].name == NULL || strcmp(settings_table[j].name, row->name) != 0;
        if (!good)
            diag("row %u, %s", i, row->name != NULL ? row->name : "a heading");
        bad += !good;
    }
    is_number(bad, 0, "%u rows are sound", settings_count);
}

// Reading a default as if it were given on the command line changes nothing.
static void check_defaults(void)
{
    struct settings s;
    char complaint[SETTING_COMPLAINT_MAX];
    char before[SETTING_VALUE_MAX];
    char after[SETTING_VALUE_MAX];
    settings_init(&s);
    for (unsigned i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (row->option == NULL || row->default_value == NULL || *row->default_value == '\0')
            continue;
        snprintf(before, sizeof before, "%s", setting_format(row, &s, &s.runtime, after));
        const char *fault = setting_read(row, &s, row->default_value, complaint);
        is_text(fault != NULL ? fault : setting_format(row, &s, &s.runtime, after), before,
                "the default of %s", row->name);
    }
}

static void check_values(void)
{
    static const struct {
        const char *name;
        const char *value;
        const char *shown; // the value in CONFIG GET, or what is wrong with it
    } cases[] = {
        {"port", "none", "0"},
        {"bind", "::1", "::1"},
        {"bind", "*", "::1 *"},
        {"unixsocketperm", "0640", "640"},
        {"unixsocket", "a\nb", "a\\x0ab"},
        {"threads", "128", "128"},
        {"watch", NULL, "yes"},
        {"swap-tracking", "push+close", "push+close"},
        {"index-trust", "sampled", "sampled"},
        {"index-pages", "huge", "huge"},
        {"index-verify", "1gb", "1073741824"},
        {"build-memory", "3k", "3000"},
        {"loglevel", "VERBOSE", "verbose"},
        {"maxmemory-clients", "30%", "30%"},
        {"maxmemory-clients", "1kb", "1024"},
        {"admin-commands", "yes", "yes"},
        {"admin-commands", "Yes", "must be no, local or yes"},
        {"protected-mode", "1", "must be yes or no"},
        {"threads", "129", "must be a number from 1 to 128"},
        {"swap-tracking", "", "must be push or push+close"},
    };
    struct settings s;
    char complaint[SETTING_COMPLAINT_MAX];
    char text[SETTING_VALUE_MAX];
    settings_init(&s);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct setting *row = find(cases[i].name);
        const char *fault = setting_read(row, &s, cases[i].value, complaint);
        is_text(fault != NULL ? fault : setting_format(row, &s, &s.runtime, text), cases[i].shown,
                "%s %s", cases[i].name, cases[i].value != NULL ? cases[i].value : "");
    }
}

static void check_change(void)
{
    struct settings s;
    char complaint[SETTING_COMPLAINT_MAX];
    int64_t value = 0;
    settings_init(&s);
    const struct setting *row = find("maxclients");
    ok(setting_read_change(row, span_text("4294967295"), &value, complaint) == NULL &&
           value == UINT32_MAX,
       "CONFIG SET maxclients has the bounds of Redis");
    struct runtime_settings now = s.runtime;
    *setting_runtime(row, &now) = 7;
    ok(s.runtime.maxclients == 10000 && now.maxclients == 7,
       "a change of the runtime copy leaves the settings alone");
    char text[SETTING_VALUE_MAX];
    is_text(setting_format(row, &s, &now, text), "7", "setting_format shows the runtime copy");
    ok(setting_read_change(find("loglevel"), span_text("WARNING"), &value, complaint) == NULL &&
           value == 3,
       "CONFIG SET accepts words in upper and lower case");
    is_text(setting_read_change(find("loglevel"), SPAN("notice\0"), &value, complaint),
            "argument(s) must be one of the following: debug, verbose, notice, warning",
            "CONFIG SET refuses a word with a NUL after it");
}

// A list that is longer than SETTING_VALUE_MAX is cut, and not written beyond the buffer.
static void check_long_list(void)
{
    static char address[SETTING_VALUE_MAX / 4];
    char text[SETTING_VALUE_MAX];
    char complaint[SETTING_COMPLAINT_MAX];
    struct settings s;
    settings_init(&s);
    memset(address, '\n', sizeof address - 1);
    for (unsigned i = 0; i < SETTING_ITEMS_MAX; i++)
        setting_read(find("bind"), &s, address, complaint);
    is_number(s.bind.count, SETTING_ITEMS_MAX, "a list takes SETTING_ITEMS_MAX items");
    ok(strlen(setting_format(find("bind"), &s, &s.runtime, text)) < SETTING_VALUE_MAX,
       "a list that is too long is cut");
}

int main(void)
{
    check_rows();
    check_defaults();
    check_values();
    check_change();
    check_long_list();
    return done_testing();
}
