// `stele scan`: a range of the records in key order. What it prints is a data file again.
#include <stdio.h>

#include "base/number.h"
#include "tool/tool.h"

struct scan {
    const char *file;
    struct uuid from;
    struct uuid to; // the last key that is printed, if it is there
    int64_t limit;
};

// Makes the range that of the keys whose text begins with the hexadecimal digits of `prefix`;
// hyphens are skipped. False when it is no such prefix.
static bool set_prefix(struct scan *scan, const char *prefix)
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

// False after saying what is wrong.
static bool parse(struct scan *scan, int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool good;
        if (strcmp(word, "--from") == 0)
            good = set_uuid(&scan->from, value);
        else if (strcmp(word, "--to") == 0)
            good = set_uuid(&scan->to, value);
        else if (strcmp(word, "--prefix") == 0)
            good = set_prefix(scan, value);
        else if (strcmp(word, "--limit") == 0)
            good = number_parse(span_text(value), &scan->limit) && scan->limit >= 0;
        else if (scan->file == NULL && word[0] != '-') {
            scan->file = word;
            continue;
        } else {
            fprintf(stderr, "stele: unexpected '%s'\n", word);
            return false;
        }
        if (!good) {
            fprintf(stderr, "stele: %s '%s' is not what it takes\n", word, value);
            return false;
        }
        i++;
    }
    if (scan->file == NULL)
        fprintf(stderr, "usage: stele scan FILE [--from UUID] [--to UUID] [--prefix HEX] "
                        "[--limit N]\n");
    return scan->file != NULL;
}

int tool_scan(int argc, char *argv[])
{
    struct dataset_settings settings = tool_settings();
    struct scan scan = {.to = {UINT64_MAX, UINT64_MAX}, .limit = INT64_MAX};
    if (!parse(&scan, argc, argv))
        return TOOL_ERROR;
    struct dataset *d = tool_open(scan.file, &settings);
    if (d == NULL)
        return TOOL_ERROR;
    struct uuid id;
    struct span value;
    uint64_t rank = dataset_seek(d, scan.from);
    for (; scan.limit > 0 && dataset_at(d, rank, &id, &value) && !uuid_less(scan.to, id); rank++) {
        char text[UUID_TEXT_LEN];
        uuid_format(id, text);
        fwrite(text, 1, sizeof text, stdout);
        putchar(' ');
        fwrite(value.ptr, 1, value.len, stdout);
        putchar('\n');
        scan.limit--;
        if (ferror(stdout)) // whoever reads has gone
            break;
    }
    return tool_close(d, TOOL_OK);
}
