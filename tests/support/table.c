// A record's key is computed from the seed and the record's number. Its value is these two as text.
#include "support/table.h"
#include "data/uuid_text.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/server.h"

struct uuid table_key(const struct table *t, size_t i)
{
    struct random r = {t->seed * 0x9e3779b97f4a7c15u + i * 0xd1342543de82ef95u};
    uint64_t hi = random_next(&r);
    return (struct uuid){hi, random_next(&r)};
}

void table_value(const struct table *t, size_t i, char value[TABLE_VALUE + 1])
{
    snprintf(value, TABLE_VALUE + 1, "%03u-%08x", (unsigned)(t->seed % 1000), (unsigned)i);
}

void table_append(const struct table *t, struct buf *to)
{
    char *next = buf_reserve(to, t->count * TABLE_LINE + 1);
    require(next != NULL, "no memory for a table");
    for (size_t i = 0; i < t->count; i++) {
        uuid_format(table_key(t, i), next);
        next[UUID_TEXT_LEN] = ' ';
        table_value(t, i, next + UUID_TEXT_LEN + 1);
        next[TABLE_LINE - 1] = '\n';
        next += TABLE_LINE;
    }
    to->len += t->count * TABLE_LINE;
}

const char *table_file(const struct table *t, const char *name)
{
    struct buf text = {0};
    table_append(t, &text);
    const char *path = test_file(name, buf_span(&text));
    buf_release(&text);
    return path;
}

static bool has_value(const struct table *t, size_t i, struct span value)
{
    char wanted[TABLE_VALUE + 1];
    table_value(t, i, wanted);
    return value.ptr != NULL && span_equal(value, span_of(wanted, TABLE_VALUE));
}

// Returns the distance of the records that are looked up, so that there are at most 10,000.
static size_t step(const struct table *t)
{
    enum { ASKED = 10000 };
    return t->count / ASKED + 1;
}

static bool is_in_order(const struct table *t, const struct dataset *d)
{
    struct uuid last = {0, 0};
    for (uint64_t rank = 0; rank < t->count; rank += step(t)) {
        struct uuid id;
        struct span value;
        if (!dataset_at(d, rank, &id, &value) || (rank > 0 && !uuid_less(last, id)) ||
            dataset_seek(d, id) != rank) {
            diag("no record, or not the next one, of rank %llu", (unsigned long long)rank);
            return false;
        }
        last = id;
    }
    return true;
}

bool table_is_served(const struct table *t, const struct dataset *d)
{
    const struct dataset_figures *f = dataset_figures(d);
    struct table other = {t->seed + 1, t->count + 3};
    struct span value;
    enum { GROUP = 50 };
    if (f->keys != t->count || f->lines - f->malformed - f->duplicates != t->count) {
        diag("%llu keys of %llu lines", (unsigned long long)f->keys, (unsigned long long)f->lines);
        return false;
    }
    for (size_t i = 0; i < t->count; i += step(t)) {
        if (!dataset_get(d, table_key(t, i), &value) || !has_value(t, i, value)) {
            diag("record %zu is not served", i);
            return false;
        }
    }
    for (size_t i = 0; i < t->count; i += GROUP * step(t)) {
        struct uuid ids[GROUP];
        struct span values[GROUP];
        size_t count = t->count - i < GROUP ? t->count - i : GROUP;
        for (size_t j = 0; j < count; j++)
            ids[j] = table_key(t, i + j);
        dataset_get_many(d, ids, count, values);
        for (size_t j = 0; j < count; j++) {
            if (!has_value(t, i + j, values[j])) {
                diag("record %zu is not served in a group", i + j);
                return false;
            }
        }
    }
    for (size_t i = 0; i < other.count; i += step(&other)) {
        if (dataset_get(d, table_key(&other, i), &value)) {
            diag("a key is served that is not there");
            return false;
        }
    }
    return is_in_order(t, d);
}

bool table_is_not_mistaken(const struct table *t, const struct dataset *d)
{
    struct span value;
    for (size_t i = 0; i < t->count; i++) {
        struct uuid id = table_key(t, i);
        struct span grouped;
        dataset_get_many(d, &id, 1, &grouped);
        if ((dataset_get(d, id, &value) && !has_value(t, i, value)) ||
            (grouped.ptr != NULL && !has_value(t, i, grouped))) {
            diag("record %zu has another's value", i);
            return false;
        }
    }
    for (uint64_t rank = 0; rank < t->count; rank++) {
        struct uuid id;
        struct span again;
        if (dataset_at(d, rank, &id, &value) && dataset_get(d, id, &again) &&
            !span_equal(value, again)) {
            diag("rank %llu has another's value", (unsigned long long)rank);
            return false;
        }
        dataset_seek(d, table_key(t, rank));
    }
    return true;
}

void notices_add(void *context, bool warning, const char *text)
{
    struct notices *n = context;
    n->count++;
    n->warnings += warning;
    buf_printf(&n->text, "%s%s\n", warning ? "# " : "", text);
}

void notices_clear(struct notices *n)
{
    buf_release(&n->text);
    *n = (struct notices){0};
}

bool notices_have(const struct notices *n, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= n->text.len; i++)
        if (memcmp(n->text.ptr + i, part, len) == 0)
            return true;
    diag("'%s' is not in the notices: %.*s", part, (int)n->text.len,
         n->text.ptr != NULL ? n->text.ptr : "");
    return false;
}

void opened_with(struct opened *o, const char *path, const struct dataset_settings *settings)
{
    struct dataset_settings s = *settings;
    *o = (struct opened){0};
    s.notice = notices_add;
    s.context = &o->notices;
    o->dataset = dataset_open(path, &s, &o->report, &o->error);
}

void opened_init(struct opened *o, const char *path, enum dataset_index index,
                 const char *index_path)
{
    opened_with(o, path, &(struct dataset_settings){.index = index, .index_path = index_path});
}

void opened_close(struct opened *o)
{
    dataset_close(o->dataset);
    notices_clear(&o->notices);
    *o = (struct opened){0};
}

void index_written(const char *path, const char *index_path)
{
    struct opened o;
    opened_init(&o, path, DATASET_INDEX_WRITE, index_path);
    require(o.dataset != NULL, "%s: %s", path, o.error.text);
    dataset_finish(o.dataset, NULL);
    if (strcmp(dataset_index_status(o.dataset), "mapped") != 0)
        ok(notices_have(&o.notices, "wrote"), "the index of %s is written", path);
    opened_close(&o);
}

bool is_proven(const struct dataset *d)
{
    return strcmp(dataset_index_status(d), "mapped") == 0;
}

bool file_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

unsigned files_beside(const char *path)
{
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s.*", path);
    int failed = glob(pattern, 0, NULL, &found);
    unsigned count = failed == 0 ? (unsigned)found.gl_pathc : 0;
    globfree(&found);
    return count;
}

void file_patch(const char *path, size_t at, struct span bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    require(fd >= 0 && pwrite(fd, bytes.ptr, bytes.len, (off_t)at) == (ssize_t)bytes.len,
            "cannot write %s", path);
    close(fd);
}

void file_resize(const char *path, size_t len)
{
    require(truncate(path, (off_t)len) == 0, "cannot resize %s", path);
}
