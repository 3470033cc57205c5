// `stele scan` prints a range of records in key order, in the format of a data file.
#include <stdio.h>

#include "base/number.h"
#include "data/uuid_text.h"
#include "tool/tool.h"

// Sets the range to the keys that begin with the hexadecimal digits of `prefix`. Hyphens are
// skipped. Returns false when `prefix` does not have 1 to 32 digits or has other characters.
static bool set_range(struct options *scan, const char *prefix)
{
    static const char digits[] = "0123456789abcdef";
    unsigned count = 0;
    scan->from = (struct uuid){0, 0};
    scan->to = (struct uuid){UINT64_MAX, UINT64_MAX};
    for (; *prefix != '\0'; prefix++) {
        const char *digit = strchr(digits, ascii_lower(*prefix));
        if (*prefix == '-')
            continue;
        if (digit == NULL || count == 32)
            return false;
        uint64_t *from = count < 16 ? &scan->from.hi : &scan->from.lo;
        uint64_t *to = count < 16 ? &scan->to.hi : &scan->to.lo;
        unsigned shift = 60 - 4 * (count % 16);
        *from |= (uint64_t)(digit - digits) << shift;
        *to &= ~((uint64_t)(0xf - (digit - digits)) << shift);
        count++;
    }
    return count > 0;
}

static bool set_uuid(struct uuid *id, const char *text)
{
    return strlen(text) == UUID_TEXT_LEN && uuid_parse(text, id);
}

static const char *set_from(struct options *o, const char *value)
{
    return set_uuid(&o->from, value) ? NULL : "must be a UUID";
}

static const char *set_to(struct options *o, const char *value)
{
    return set_uuid(&o->to, value) ? NULL : "must be a UUID";
}

static const char *set_prefix(struct options *o, const char *value)
{
    return set_range(o, value) ? NULL : "must be the beginning of a UUID, in hexadecimal digits";
}

static const char *set_limit(struct options *o, const char *value)
{
    bool good = number_parse(span_text(value), &o->limit) && o->limit >= 0;
    return good ? NULL : "must be a number, 0 or more";
}

static int scan(const struct options *o)
{
    struct dataset *d = tool_open(o->file, &o->settings);
    if (d == NULL)
        return TOOL_ERROR;
    struct uuid id;
    struct span value;
    int64_t left = o->limit;
    uint64_t rank = dataset_seek(d, o->from);
    for (; left > 0 && dataset_at(d, rank, &id, &value) && !uuid_less(o->to, id); rank++) {
        char text[UUID_TEXT_LEN];
        uuid_format(id, text);
        fwrite(text, 1, sizeof text, stdout);
        putchar(' ');
        fwrite(value.ptr, 1, value.len, stdout);
        putchar('\n');
        left--;
        if (ferror(stdout)) // such as when the reader has closed the pipe
            break;
    }
    return tool_close(d, TOOL_OK);
}

static const struct option_row rows[] = {
    {"--from", "UUID", "first key of the range; it need not exist", set_from},
    {"--to", "UUID", "last key of the range; it need not exist", set_to},
    {"--prefix", "HEX", "only keys that begin with these hexadecimal digits", set_prefix},
    {"--limit", "N", "print at most N records", set_limit},
    TOOL_HELP_ROW,
};

const struct tool_command tool_scan = {
    .name = "scan",
    .words = "FILE [--from UUID] [--to UUID] [--prefix HEX] [--limit N]",
    .help = "print a range of records in key order",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = scan,
    .example = "stele scan devices.data --prefix f8a2 --limit 10",
};
