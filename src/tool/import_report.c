// Messages about single keys begin with the name of the dump and the offset of the key in it.
#include "tool/import_report.h"

#include <stdio.h>

#include "data/uuid_text.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum { NAMED = 10 }; // keys of each kind that are printed

// Writes the beginning of `text` at `to`, with each unprintable byte and each backslash as \xHH.
// `len` is the length of the whole text.
static void show(struct span text, uint64_t len, char to[IMPORT_SHOWN_MOST])
{
    size_t used = 0;
    size_t shown = text.len < IMPORT_SHOWN_BYTES ? text.len : IMPORT_SHOWN_BYTES;
    for (size_t at = 0; at < shown; at++) {
        unsigned char c = (unsigned char)text.ptr[at];
        if (c >= 0x20 && c < 0x7f && c != '\\')
            to[used++] = (char)c;
        else
            used += (size_t)snprintf(to + used, IMPORT_SHOWN_MOST - used, "\\x%02x", c);
    }
    snprintf(to + used, IMPORT_SHOWN_MOST - used, "%s", len > shown ? "..." : "");
}

// Prints `before`, the key and `after`.
static void say_key(const struct import_report *report, const struct rdb_key *key,
                    const char *before, const char *after)
{
    char shown[IMPORT_SHOWN_MOST];
    show(key->name, key->name_len, shown);
    tool_step_hide();
    tool_say("%s: byte %llu: %s'%s'%s", report->name, (ull)key->offset, before, shown, after);
}

void import_report_line(struct import_report *report, const struct rdb_key *key)
{
    report->databases += report->lines == 0 || key->database != report->last_database;
    report->last_database = key->database;
    report->lines++;
}

void import_report_strange(struct import_report *report, const struct rdb_key *key)
{
    struct uuid id;
    size_t len = key->name.len;
    if (report->strange++ < NAMED)
        say_key(report, key, "not a UUID: ", "");
    if (report->prefix[0] == '\0' && len == key->name_len && len > UUID_TEXT_LEN &&
        len <= UUID_TEXT_LEN + IMPORT_SHOWN_BYTES &&
        uuid_parse(key->name.ptr + len - UUID_TEXT_LEN, &id))
        show(span_of(key->name.ptr, len - UUID_TEXT_LEN), 0, report->prefix);
}

void import_report_newline(struct import_report *report, const struct rdb_key *key)
{
    if (report->with_newline++ < NAMED)
        say_key(report, key, "the value of ", " contains a newline");
}

void import_report_type(const struct import_report *report, const struct rdb_key *key)
{
    char after[128];
    snprintf(after, sizeof after, " is a %s, %s", key->type,
             key->can_be_skipped ? "not a string; --skip-others leaves such keys out"
                                 : "which can neither be read nor skipped");
    say_key(report, key, "the key ", after);
}

static void add_count(struct buf *to, uint64_t count, const char *one, const char *several)
{
    if (count > 0)
        buf_printf(to, "%s%llu %s", to->len > 0 ? ", " : "", (ull)count,
                   count == 1 ? one : several);
}

static void say_counts(const struct import_report *report)
{
    struct buf left_out = {0};
    add_count(&left_out, report->strange, "key that is no UUID", "keys that are no UUIDs");
    add_count(&left_out, report->elsewhere, "key of another database", "keys of other databases");
    add_count(&left_out, report->expired, "expired key", "expired keys");
    add_count(&left_out, report->expiring, "key that expires", "keys that expire");
    add_count(&left_out, report->others, "key that is no string", "keys that are no strings");
    buf_append(&left_out, span_of("", 1));
    bool none = left_out.oom || left_out.len == 1;
    tool_say("%s: %llu line%s%s%s", report->name, (ull)report->lines, report->lines == 1 ? "" : "s",
             none ? "" : "; left out: ", none ? "" : left_out.ptr);
    buf_release(&left_out);
}

void import_report_summary(const struct import_report *report)
{
    if (report->prefix[0] != '\0')
        tool_say("%s: some keys are a UUID after a prefix; --strip-prefix '%s' removes it",
                 report->name, report->prefix);
    if (report->databases > 1)
        tool_say("%s: the lines come from several databases; of lines with the same key, the last "
                 "one counts; --db N reads only one database",
                 report->name);
    if (report->stripped > 0 && report->stripped < report->lines)
        tool_say("%s: %llu keys had the prefix and %llu had not; of lines with the same key, the "
                 "last one counts",
                 report->name, (ull)report->stripped, (ull)(report->lines - report->stripped));
    say_counts(report);
}
