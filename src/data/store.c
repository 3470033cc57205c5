// A manifest has a name and a value in each line. Reading skips names that it does not know, so a
// later version may add some. The last line is "end", so a manifest that was cut is noticed.
#include "data/store.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"

#define FIRST_LINE "stele-version 1"

typedef unsigned long long ull;

bool store_is_store(const char *path)
{
    char versions[PATH_MAX];
    struct stat status;
    int len = snprintf(versions, sizeof versions, "%s/" STORE_VERSIONS, path);
    return len < (int)sizeof versions && stat(versions, &status) == 0 && S_ISDIR(status.st_mode);
}

bool store_name_is_good(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len <= STORE_NAME_MAX && *name != '.' && strspn(name, allowed) == len;
}

bool store_path(const char *store, const char *version, const char *file, char *to, size_t size,
                struct error *error)
{
    int len = snprintf(to, size, "%s/" STORE_VERSIONS "/%s%s%s", store, version,
                       *file != '\0' ? "/" : "", file);
    if (len >= 0 && (size_t)len < size)
        return true;
    error_set(error, "%s: %s", store, strerror(ENAMETOOLONG));
    return false;
}

// Copies the name of a version. Returns false if `len` bytes at `from` are no such name.
static bool copy_name(const char *from, size_t len, char name[STORE_NAME_MAX + 1])
{
    if (len > STORE_NAME_MAX)
        return false;
    memcpy(name, from, len);
    name[len] = '\0';
    return strlen(name) == len && store_name_is_good(name);
}

bool store_current(const char *store, char name[STORE_NAME_MAX + 1], struct error *error)
{
    static const char prefix[] = STORE_VERSIONS "/";
    char path[PATH_MAX];
    char target[PATH_MAX];
    snprintf(path, sizeof path, "%s/" STORE_CURRENT, store);
    ssize_t len = readlink(path, target, sizeof target);
    if (len < 0) {
        bool none = errno == ENOENT;
        error_set(error,
                  none ? "'%s' has no current version: publish one"
                       : "cannot read '%s/current': %s",
                  store, strerror(errno));
        return false;
    }
    size_t skip = sizeof prefix - 1;
    if ((size_t)len > skip && memcmp(target, prefix, skip) == 0 &&
        copy_name(target + skip, (size_t)len - skip, name))
        return true;
    error_set(error, "'%s' does not lead to " STORE_VERSIONS "/NAME", path);
    return false;
}

// Reads a small file. Returns its text, which the caller frees, or NULL with a message and errno.
static char *read_text(const char *path, size_t most, size_t *len, struct error *error)
{
    struct stat status;
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return NULL;
    *len = (size_t)status.st_size;
    char *text = status.st_size <= (off_t)most ? malloc(*len + 1) : NULL;
    bool good = text != NULL && file_read(fd, text, *len, 0);
    int reason = errno;
    close(fd);
    if (good) {
        text[*len] = '\0';
        return text;
    }
    if (status.st_size > (off_t)most)
        error_set(error, "'%s' is too large", path);
    else
        error_set(error, "cannot read '%s': %s", path,
                  reason != 0 ? strerror(reason) : "it became shorter meanwhile");
    free(text);
    errno = reason != ENOENT ? reason : EIO;
    return NULL;
}

bool store_pinned(const char *store, char name[STORE_NAME_MAX + 1], struct error *error)
{
    char path[PATH_MAX];
    size_t len;
    *name = '\0';
    snprintf(path, sizeof path, "%s/" STORE_PIN, store);
    char *text = read_text(path, STORE_MANIFEST_MAX, &len, error);
    if (text == NULL)
        return errno == ENOENT;
    bool good = len > 0 && text[len - 1] == '\n' && copy_name(text, len - 1, name);
    free(text);
    if (!good)
        error_set(error, "'%s' must be one line with the name of a version", path);
    return good;
}

// ---- times --------------------------------------------------------------------------------------

void store_time_format(int64_t seconds, char to[STORE_TIME_TEXT_MAX])
{
    time_t time = (time_t)seconds;
    struct tm utc;
    to[0] = '\0';
    if (gmtime_r(&time, &utc) != NULL)
        (void)strftime(to, STORE_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void store_time_name(int64_t seconds, char to[STORE_TIME_TEXT_MAX])
{
    time_t time = (time_t)seconds;
    struct tm utc;
    to[0] = '\0';
    if (gmtime_r(&time, &utc) != NULL)
        (void)strftime(to, STORE_TIME_TEXT_MAX, "%Y%m%dT%H%M%SZ", &utc);
}

bool store_time_parse(const char *text, int64_t *seconds)
{
    struct tm utc = {0};
    char again[STORE_TIME_TEXT_MAX];
    if (*text == '@')
        return number_parse(span_text(text + 1), seconds) && *seconds >= 0;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (end == NULL || *end != '\0')
        return false;
    *seconds = (int64_t)timegm(&utc);
    store_time_format(*seconds, again);
    return strcmp(again, text) == 0; // 2026-02-30 would be read as 2026-03-02
}

// ---- manifests ----------------------------------------------------------------------------------

enum field_type { FIELD_NAME, FIELD_TIME, FIELD_COUNT, FIELD_CHECKSUM };

// The lines of a manifest, in their order.
static const struct field {
    const char *name;
    enum field_type type;
    size_t offset; // in struct store_manifest
    bool optional;
} fields[] = {
    {"version", FIELD_NAME, offsetof(struct store_manifest, version), false},
    {"previous", FIELD_NAME, offsetof(struct store_manifest, previous), true},
    {"made-at", FIELD_TIME, offsetof(struct store_manifest, made_at), false},
    {"published-at", FIELD_TIME, offsetof(struct store_manifest, published_at), false},
    {"bytes", FIELD_COUNT, offsetof(struct store_manifest, bytes), false},
    {"lines", FIELD_COUNT, offsetof(struct store_manifest, lines), false},
    {"keys", FIELD_COUNT, offsetof(struct store_manifest, keys), false},
    {"duplicates", FIELD_COUNT, offsetof(struct store_manifest, duplicates), false},
    {"value-bytes", FIELD_COUNT, offsetof(struct store_manifest, value_bytes), false},
    {"xxh3-128", FIELD_CHECKSUM, offsetof(struct store_manifest, checksum), false},
};
enum { FIELDS = sizeof fields / sizeof *fields };

void store_manifest_format(const struct store_manifest *m, struct span more, struct buf *to)
{
    char time[STORE_TIME_TEXT_MAX];
    buf_append_text(to, FIRST_LINE "\n");
    for (unsigned i = 0; i < FIELDS; i++) {
        const void *field = (const char *)m + fields[i].offset;
        switch (fields[i].type) {
        case FIELD_NAME:
        case FIELD_CHECKSUM:
            if (*(const char *)field != '\0')
                buf_printf(to, "%s %s\n", fields[i].name, (const char *)field);
            break;
        case FIELD_TIME:
            store_time_format(*(const int64_t *)field, time);
            buf_printf(to, "%s %s\n", fields[i].name, time);
            break;
        case FIELD_COUNT:
            buf_printf(to, "%s %llu\n", fields[i].name, (ull) * (const uint64_t *)field);
            break;
        }
    }
    buf_append(to, more);
    buf_append_text(to, "end\n");
}

// Stores a value. Returns what is wrong with it, or NULL.
static const char *read_field(const struct field *f, const char *value, void *to)
{
    int64_t number;
    switch (f->type) {
    case FIELD_NAME:
        return copy_name(value, strlen(value), to) ? NULL : "not the name of a version";
    case FIELD_CHECKSUM:
        if (strlen(value) != CHECKSUM_TEXT_LEN)
            return "not a checksum of 128 bits";
        memcpy(to, value, CHECKSUM_TEXT_LEN + 1);
        return NULL;
    case FIELD_TIME:
        return store_time_parse(value, to) ? NULL : "not a time like 2026-11-28T02:00:00Z";
    case FIELD_COUNT:
        if (!number_parse(span_text(value), &number) || number < 0)
            return "not a number";
        *(uint64_t *)to = (uint64_t)number;
        return NULL;
    }
    return NULL;
}

// Reads a line after the first one. Returns what is wrong with it, or NULL. Sets the bit of the
// line's field in `*seen`; the bit FIELDS means that the end was read.
static const char *read_line(struct store_manifest *m, char *line, unsigned *seen)
{
    char *blank = strchr(line, ' ');
    if ((*seen & 1u << FIELDS) != 0)
        return "a line after the end";
    if (strcmp(line, "end") == 0) {
        *seen |= 1u << FIELDS;
        return NULL;
    }
    if (blank == NULL)
        return "must be a name, a space and a value";
    *blank = '\0';
    for (unsigned i = 0; i < FIELDS; i++) {
        if (strcmp(line, fields[i].name) != 0)
            continue;
        if ((*seen & 1u << i) != 0)
            return "is given twice";
        *seen |= 1u << i;
        return read_field(&fields[i], blank + 1, (char *)m + fields[i].offset);
    }
    return NULL;
}

// Returns what is wrong with the text, or NULL. Sets `*number` to the number of the wrong line; 0:
// the whole text is wrong.
static const char *parse(struct store_manifest *m, char *text, size_t len, unsigned *number)
{
    unsigned seen = 0;
    *number = 0;
    if (strlen(text) != len)
        return "it has a NUL";
    for (char *line = text; *line != '\0';) {
        char *newline = strchr(line, '\n');
        ++*number;
        if (newline == NULL)
            return "the line has no newline: the manifest was cut";
        *newline = '\0';
        const char *wrong = NULL;
        if (*number > 1)
            wrong = read_line(m, line, &seen);
        else if (strcmp(line, FIRST_LINE) != 0)
            wrong = "not a manifest of a store that this version can read";
        if (wrong != NULL)
            return wrong;
        line = newline + 1;
    }
    *number = 0;
    for (unsigned i = 0; i <= FIELDS; i++)
        if ((seen & 1u << i) == 0 && (i == FIELDS || !fields[i].optional))
            return "it is incomplete";
    return NULL;
}

bool store_manifest_read(const char *store, const char *version, struct store_manifest *m,
                         struct error *error)
{
    char path[PATH_MAX];
    size_t len;
    unsigned number;
    *m = (struct store_manifest){.version = ""};
    if (!store_path(store, version, STORE_MANIFEST, path, sizeof path, error)) {
        errno = ENAMETOOLONG;
        return false;
    }
    char *text = read_text(path, STORE_MANIFEST_MAX, &len, error);
    if (text == NULL)
        return false;
    const char *wrong = parse(m, text, len, &number);
    if (wrong != NULL && number > 0)
        error_set(error, "%s:%u: %s", path, number, wrong);
    else if (wrong != NULL)
        error_set(error, "%s: %s", path, wrong);
    else if (strcmp(m->version, version) != 0)
        error_set(error, "%s: it is the manifest of version %s", path, m->version);
    free(text);
    errno = 0;
    return wrong == NULL && strcmp(m->version, version) == 0;
}
