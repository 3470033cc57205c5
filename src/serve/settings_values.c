// Reads and formats the value of one setting, by the type in its row: the value of the command line
// into its field, and values of CONFIG GET and CONFIG SET.
#include "serve/settings_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/number.h"

// ---- fields -------------------------------------------------------------------------------------

void *setting_field(const struct setting *row, struct settings *s)
{
    return (char *)s + row->offset;
}

_Atomic int64_t *setting_runtime(const struct setting *row, struct runtime_settings *runtime)
{
    assert(row->change == SETTING_RUNTIME && row->size == sizeof(int64_t));
    return (void *)((char *)runtime + (row->offset - offsetof(struct settings, runtime)));
}

static void store(const struct setting *row, struct settings *s, int64_t value)
{
    void *field = setting_field(row, s);
    if (row->change == SETTING_RUNTIME)
        *setting_runtime(row, &s->runtime) = value;
    else if (row->size == sizeof(bool))
        *(bool *)field = value != 0;
    else if (row->size == sizeof(unsigned))
        *(unsigned *)field = (unsigned)value;
    else
        *(int64_t *)field = value;
}

static int64_t load(const struct setting *row, const struct settings *s,
                    const struct runtime_settings *runtime)
{
    const void *field = (const char *)s + row->offset;
    const void *now = (const char *)runtime + (row->offset - offsetof(struct settings, runtime));
    if (row->change == SETTING_RUNTIME)
        return runtime_get(now);
    if (row->size == sizeof(bool))
        return *(const bool *)field;
    if (row->size == sizeof(unsigned))
        return *(const unsigned *)field;
    return *(const int64_t *)field;
}

// ---- values of the command line -----------------------------------------------------------------

const char *setting_read_number(const struct setting *row, struct settings *s, const char *text,
                                char complaint[SETTING_COMPLAINT_MAX])
{
    int64_t value;
    if (number_parse(span_text(text), &value) && value >= row->min && value <= row->max) {
        store(row, s, value);
        return NULL;
    }
    if (row->complaint != NULL)
        return row->complaint;
    snprintf(complaint, SETTING_COMPLAINT_MAX, "must be a number from %lld to %lld",
             (long long)row->min, (long long)row->max);
    return complaint;
}

// Lists the words as "a, b or c".
static const char *list_words(const char *const *words, char complaint[SETTING_COMPLAINT_MAX])
{
    size_t len = (size_t)snprintf(complaint, SETTING_COMPLAINT_MAX, "must be %s", words[0]);
    for (unsigned i = 1; words[i] != NULL && len < SETTING_COMPLAINT_MAX; i++)
        len += (size_t)snprintf(complaint + len, SETTING_COMPLAINT_MAX - len, "%s%s",
                                words[i + 1] != NULL ? ", " : " or ", words[i]);
    return complaint;
}

static const char *read_word(const struct setting *row, struct settings *s, const char *text,
                             char complaint[SETTING_COMPLAINT_MAX])
{
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        bool same = row->any_case ? span_is(span_text(text), row->words[i])
                                  : strcmp(text, row->words[i]) == 0;
        if (same) {
            store(row, s, i);
            return NULL;
        }
    }
    return list_words(row->words, complaint);
}

static const char *read_octal(const struct setting *row, struct settings *s, const char *text)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    if (*text < '0' || *text > '7' || *end != '\0' || mode == 0 || mode > 0777)
        return "must be octal permissions like 770";
    store(row, s, (int64_t)mode);
    return NULL;
}

static const char *read_size(const struct setting *row, struct settings *s, const char *text)
{
    uint64_t bytes;
    if (!number_parse_memory(span_text(text), &bytes) || bytes == 0)
        return row->complaint;
    store(row, s, (int64_t)bytes);
    return NULL;
}

static const char *read_memory(const struct setting *row, struct settings *s, const char *text)
{
    int64_t value;
    if (!number_parse_memory_or_percent(span_text(text), &value))
        return "must be a size like 512mb, a percentage like 25%, or 0 for no limit";
    store(row, s, value);
    return NULL;
}

static const char *add_item(const struct setting *row, struct settings *s, const char *text)
{
    struct setting_list *list = setting_field(row, s);
    if (list->count == SETTING_ITEMS_MAX)
        return "is given more than 16 times";
    const char *fault = row->check != NULL ? row->check(text) : NULL;
    if (fault == NULL)
        list->items[list->count++] = text;
    return fault;
}

const char *setting_read(const struct setting *row, struct settings *s, const char *text,
                         char complaint[SETTING_COMPLAINT_MAX])
{
    if (row->read != NULL)
        return row->read(row, s, text, complaint);
    switch (row->type) {
    case SETTING_FLAG: store(row, s, 1); return NULL;
    case SETTING_YES_NO:
        store(row, s, strcmp(text, "yes") == 0);
        return strcmp(text, "yes") == 0 || strcmp(text, "no") == 0 ? NULL : "must be yes or no";
    case SETTING_WORD: return read_word(row, s, text, complaint);
    case SETTING_NUMBER: return setting_read_number(row, s, text, complaint);
    case SETTING_OCTAL: return read_octal(row, s, text);
    case SETTING_SIZE: return read_size(row, s, text);
    case SETTING_MEMORY: return read_memory(row, s, text);
    case SETTING_TEXT: *(const char **)setting_field(row, s) = text; break;
    case SETTING_LIST: return add_item(row, s, text);
    case SETTING_CONSTANT:
    case SETTING_INDEX:
    case SETTING_PERCENTILES: assert(false); break;
    }
    return row->check != NULL ? row->check(text) : NULL;
}

// ---- CONFIG -------------------------------------------------------------------------------------

// Writes the items, separated by spaces. A text that is too long is cut.
static void format_list(const struct setting_list *list, char to[SETTING_VALUE_MAX])
{
    size_t len = 0;
    to[0] = '\0';
    for (unsigned i = 0; i < list->count && len + 1 < SETTING_VALUE_MAX; i++) {
        if (i > 0)
            to[len++] = ' ';
        len += escape_text(list->items[i], to + len, SETTING_VALUE_MAX - len);
    }
}

const char *setting_format(const struct setting *row, const struct settings *s,
                           const struct runtime_settings *runtime, char to[SETTING_VALUE_MAX])
{
    const void *field = (const char *)s + row->offset;
    const char *text;
    int64_t value;
    switch (row->type) {
    case SETTING_CONSTANT: return row->default_value;
    case SETTING_TEXT:
        text = *(const char *const *)field;
        escape_text(text != NULL ? text : "", to, SETTING_VALUE_MAX);
        return to;
    case SETTING_LIST: format_list(field, to); return to;
    case SETTING_INDEX:
    case SETTING_PERCENTILES: assert(false); return "";
    default: value = load(row, s, runtime); break;
    }
    switch (row->type) {
    case SETTING_FLAG:
    case SETTING_YES_NO: return value != 0 ? "yes" : "no";
    case SETTING_WORD: return row->words[value];
    case SETTING_OCTAL: snprintf(to, SETTING_VALUE_MAX, "%llo", (unsigned long long)value); break;
    case SETTING_SIZE: snprintf(to, SETTING_VALUE_MAX, "%llu", (unsigned long long)value); break;
    case SETTING_MEMORY:
        snprintf(to, SETTING_VALUE_MAX, value < 0 ? "%lld%%" : "%lld", llabs((long long)value));
        break;
    default: snprintf(to, SETTING_VALUE_MAX, "%lld", (long long)value); break;
    }
    return to;
}

static const char *change_number(const struct setting *row, struct span text, int64_t *value,
                                 char complaint[SETTING_COMPLAINT_MAX])
{
    int64_t max = row->runtime_max != 0 ? row->runtime_max : row->max;
    if (!number_parse(text, value))
        return "argument couldn't be parsed into an integer";
    if (*value >= row->min && *value <= max)
        return NULL;
    snprintf(complaint, SETTING_COMPLAINT_MAX, "argument must be between %lld and %lld inclusive",
             (long long)row->min, (long long)max);
    return complaint;
}

static const char *change_word(const struct setting *row, struct span text, int64_t *value,
                               char complaint[SETTING_COMPLAINT_MAX])
{
    size_t len = (size_t)snprintf(complaint, SETTING_COMPLAINT_MAX,
                                  "argument(s) must be one of the following: ");
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (span_is(text, row->words[i])) {
            *value = i;
            return NULL;
        }
        len += (size_t)snprintf(complaint + len, SETTING_COMPLAINT_MAX - len, "%s%s",
                                i > 0 ? ", " : "", row->words[i]);
        assert(len < SETTING_COMPLAINT_MAX);
    }
    return complaint;
}

static const char *change_memory(struct span text, int64_t *value)
{
    if (number_parse_memory_or_percent(text, value))
        return NULL;
    bool percent = text.len > 0 && text.ptr[text.len - 1] == '%' &&
                   number_parse(span_of(text.ptr, text.len - 1), value) && *value > 100;
    return percent ? "percentage argument must be less or equal to 100"
                   : "argument must be a memory or percent value";
}

const char *setting_read_change(const struct setting *row, struct span text, int64_t *value,
                                char complaint[SETTING_COMPLAINT_MAX])
{
    switch (row->type) {
    case SETTING_YES_NO:
        *value = span_is(text, "yes");
        return *value != 0 || span_is(text, "no") ? NULL : "argument must be 'yes' or 'no'";
    case SETTING_WORD: return change_word(row, text, value, complaint);
    case SETTING_NUMBER: return change_number(row, text, value, complaint);
    case SETTING_MEMORY: return change_memory(text, value);
    default: assert(false); return "";
    }
}
