// Sorting lines in portions of any size, on several threads and from several files gives what a
// simple model gives: the last line of each key, in key order, byte for byte.
#include "tool/sort_lines.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "data/lines.h"
#include "support/keysets.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/tap.h"
#include "tool/line_input.h"
#include "tool/line_runs.h"
#include "tool/sink.h"

enum {
    KEYS = 1500,
    FILES = 3,
    ROUNDS = CHECKED_BUILD ? 4 : 12, // for each key set
};

// ---- the model ----------------------------------------------------------------------------------

// Takes the lines of all texts. Returns the sorted ones, as they should be written.
struct model_line {
    struct uuid id;
    size_t number;
    struct span line; // without its newline
};

static int compare_lines(const void *a, const void *b)
{
    const struct model_line *x = a;
    const struct model_line *y = b;
    int order = uuid_compare(&x->id, &y->id);
    return order != 0 ? order : x->number < y->number ? -1 : 1;
}

static struct buf model(const struct buf *texts, unsigned count, uint64_t *lines, uint64_t *kept)
{
    struct buf sorted = {0};
    size_t room = 0;
    for (unsigned i = 0; i < count; i++)
        room += texts[i].len / LINE_MIN + 1;
    struct model_line *all = calloc(room, sizeof *all);
    require(all != NULL, "memory");
    *lines = *kept = 0;
    for (unsigned i = 0; i < count; i++)
        for (size_t at = 0; at < texts[i].len;) {
            const char *line = texts[i].ptr + at;
            const char *newline = memchr(line, '\n', texts[i].len - at);
            size_t len = newline != NULL ? (size_t)(newline - line) : texts[i].len - at;
            struct model_line *m = &all[*lines];
            *m = (struct model_line){.number = (*lines)++, .line = span_of(line, len)};
            require(uuid_parse_scalar(line, &m->id), "a UUID");
            at += len + 1;
        }
    qsort(all, *lines, sizeof *all, compare_lines);
    for (uint64_t i = 0; i < *lines; i++) {
        if (i + 1 < *lines && uuid_equal(all[i].id, all[i + 1].id))
            continue;
        buf_append(&sorted, all[i].line);
        buf_append_text(&sorted, "\n");
        ++*kept;
    }
    free(all);
    return sorted;
}

// ---- the input ----------------------------------------------------------------------------------

// Appends lines of a key set, some of them twice or with keys in upper case, and a few long ones.
static void add_lines(struct random *r, const struct keyset *set, struct buf *text)
{
    static struct uuid keys[KEYS];
    size_t count = keyset_fill(set, r, keys, (size_t)random_below(r, KEYS));
    uint64_t kind = random_below(r, 4);
    if (random_below(r, 4) == 0)
        count = keys_sort(keys, count);
    for (size_t i = 0; i < count; i++) {
        // Kind 1 has many duplicates, and kind 2 has a single key.
        struct uuid id = kind == 1 && random_below(r, 2) == 0 ? keys[random_below(r, i + 1)]
                         : kind == 2                          ? keys[0]
                                                              : keys[i];
        size_t line = text->len;
        keys_write_lines(r, &id, 1, 60, text);
        for (size_t j = line; random_below(r, 10) == 0 && j < line + UUID_TEXT_LEN; j++)
            text->ptr[j] = ascii_upper(text->ptr[j]);
        if (random_below(r, 400) == 0) { // a long line
            size_t extra = (size_t)random_below(r, 100000);
            text->len--;
            char *to = buf_reserve(text, extra + 1);
            require(to != NULL, "memory");
            memset(to, 'x', extra);
            to[extra] = '\n';
            text->len += extra + 1;
        }
    }
    if (text->len > 0 && random_below(r, 2) == 0)
        text->len--; // no newline at the end
}

// The result of sorting some texts.
struct outcome {
    bool good;
    struct buf written;
    struct sort_lines sort;
    struct error error;
};

static struct outcome sort_texts(struct random *r, struct buf *texts, unsigned count,
                                 uint64_t budget)
{
    struct outcome o = {.good = false};
    struct line_input in;
    char names[FILES][16];
    char *paths[FILES];
    uint64_t from_stdin = random_below(r, FILES + 1);
    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "in-%u", i);
        const char *path =
            test_file(names[i], texts[i].ptr != NULL ? buf_span(&texts[i]) : span_text(""));
        paths[i] = strdup(i == from_stdin ? "-" : path);
        if (i == from_stdin) {
            int fd = open(path, O_RDONLY);
            require(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO, "standard input");
            if (fd != STDIN_FILENO)
                close(fd);
        }
    }
    o.sort = (struct sort_lines){
        .memory = SORT_LINES_MEMORY_MIN,
        .threads = 1 + (unsigned)random_below(r, 3),
        .beside = test_path("out"),
        .name = "in",
        .budget = budget,
        .runs_most = budget != 0 && random_below(r, 2) == 0 ? 2 + random_below(r, 4) : 0,
    };
    int fd = open(test_path("out"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct sink sink = {.fd = fd, .name = "out", .sequential = random_below(r, 2) == 0};
    require(fd >= 0, "the output");
    o.good = line_input_open(&in, paths, count, o.sort.threads, &o.error) &&
             sort_lines_run(&o.sort, &in, &sink, &o.error);
    line_input_close(&in);
    off_t size = lseek(fd, 0, SEEK_END);
    char *to = buf_reserve(&o.written, (size_t)size + 1);
    require(to != NULL && pread(fd, to, (size_t)size, 0) == size, "reading the output");
    o.written.len = (size_t)size;
    close(fd);
    for (unsigned i = 0; i < count; i++)
        free(paths[i]);
    return o;
}

static void release(struct outcome *o, struct buf *texts, unsigned count)
{
    buf_release(&o->written);
    for (unsigned i = 0; i < count; i++)
        buf_release(&texts[i]);
}

// ---- tests --------------------------------------------------------------------------------------

static uint64_t any_budget(struct random *r)
{
    return random_below(r, 4) == 0
               ? 0
               : 4096 + random_below(r, UINT64_C(1) << (8 + random_below(r, 10)));
}

static void test_key_set(struct random *r, const struct keyset *set)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct buf texts[FILES] = {{0}};
        unsigned count = 1 + (unsigned)random_below(r, FILES);
        uint64_t lines;
        uint64_t kept;
        for (unsigned j = 0; j < count; j++)
            if (random_below(r, 10) > 0)
                add_lines(r, set, &texts[j]);
        struct buf wanted = model(texts, count, &lines, &kept);
        uint64_t budget = any_budget(r);
        struct outcome o = sort_texts(r, texts, count, budget);
        bool good = o.good && span_equal(buf_span(&o.written), buf_span(&wanted)) &&
                    o.sort.lines == lines && o.sort.kept == kept && !o.sort.malformed;
        if (!good) {
            wrong++;
            diag("budget %llu, threads %u, files %u, runs %llu: %s", (unsigned long long)budget,
                 o.sort.threads, count, (unsigned long long)o.sort.runs, o.error.text);
            is_number((int64_t)o.sort.lines, (int64_t)lines, "lines");
            is_number((int64_t)o.sort.kept, (int64_t)kept, "kept");
            is_bytes(buf_span(&o.written), buf_span(&wanted), "the output");
        }
        buf_release(&wanted);
        release(&o, texts, count);
    }
    is_number(wrong, 0, "%s: sorted as by the model", set->name);
}

// Everything is spilled, and the number of runs is as expected.
static void test_runs(struct random *r)
{
    struct buf texts[1] = {{0}};
    uint64_t lines;
    uint64_t kept;
    static struct uuid keys[KEYS];
    size_t count = keyset_fill(&keysets[0], r, keys, KEYS);
    keys_write_lines(r, keys, count, 60, &texts[0]);
    struct buf wanted = model(texts, 1, &lines, &kept);
    struct outcome o = sort_texts(r, texts, 1, 0);
    is_number((int64_t)o.sort.runs, 0, "nothing is spilled when everything fits into memory");
    is_bytes(buf_span(&o.written), buf_span(&wanted), "  and the lines are sorted");
    buf_release(&o.written);
    o = sort_texts(r, texts, 1, 8192);
    ok(o.sort.runs > 10, "little memory: %llu runs", (unsigned long long)o.sort.runs);
    is_bytes(buf_span(&o.written), buf_span(&wanted), "  and the lines are sorted");
    buf_release(&wanted);
    release(&o, texts, 1);
}

// The first malformed line of all files is named as if its file were read alone.
static void test_malformed(struct random *r)
{
    static const char *const bad[] = {"\n", "bad\n", "\xef\xbb\xbf\n", " \n", "\xef\xbb\xbf"};
    unsigned wrong = 0;
    for (unsigned i = 0; i < 10 * ROUNDS; i++) {
        struct buf texts[FILES] = {{0}};
        char expected[512] = "";
        unsigned count = 1 + (unsigned)random_below(r, FILES);
        unsigned bad_file = (unsigned)random_below(r, count);
        for (unsigned j = 0; j < count; j++) {
            bool first = j == bad_file && random_below(r, 4) == 0;
            if (first)
                buf_append_text(&texts[j], bad[2]);
            add_lines(r, &keysets[random_below(r, keyset_count)], &texts[j]);
            if (j == bad_file && !first) {
                if (texts[j].len > 0 && texts[j].ptr[texts[j].len - 1] != '\n')
                    buf_append_text(&texts[j], "\n");
                buf_append_text(&texts[j], bad[random_below(r, 5)]);
                if (texts[j].ptr[texts[j].len - 1] == '\n')
                    add_lines(r, &keysets[0], &texts[j]);
            }
        }
        struct outcome o = sort_texts(r, texts, count, any_budget(r));
        struct line_reader reader;
        struct record record;
        struct line_error fault;
        enum line_result result;
        lines_init(&reader, buf_span(&texts[bad_file]));
        while ((result = lines_next(&reader, &record, &fault)) == LINE_RECORD)
            ;
        require(result == LINE_MALFORMED, "a malformed line");
        line_error_format(&fault, "", expected, sizeof expected);
        const char *colon = strchr(o.error.text, ':');
        bool good = !o.good && o.sort.malformed && o.written.len == 0 && colon != NULL &&
                    strcmp(colon, expected) == 0;
        if (!good) {
            wrong++;
            is_text(o.error.text, expected, "the message");
        }
        release(&o, texts, count);
    }
    is_number(wrong, 0, "the first malformed line is named, and nothing is written");
}

static void test_no_room(void)
{
    struct line_runs runs = {0};
    struct error error = {""};
    ok(!line_runs_open(&runs, test_path("out"), UINT64_C(1) << 60, &error),
       "a temporary file for which the disk has no room");
    ok(strstr(error.text, "No space left on device") != NULL, "  the message: %s", error.text);
    ok(line_runs_open(&runs, test_path("out"), 1, &error), "a small one");
    line_runs_close(&runs);
}

int main(void)
{
    struct random r = random_seeded();
    for (unsigned i = 0; i < keyset_count; i++)
        test_key_set(&r, &keysets[i]);
    test_runs(&r);
    test_malformed(&r);
    test_no_room();
    return done_testing();
}
