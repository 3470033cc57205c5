// Each thread copies a group of consecutive lines to its buffer. A group can be written only when
// the offset of its first byte is known, which is when all lines of the groups before it have been
// copied. So groups take turns. In its turn a group reserves its bytes of the output; writing
// itself goes on beside the next groups, unless the output is a pipe.
#include "tool/sort_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/build/records.h"
#include "data/build/sample.h"
#include "data/newline.h"

enum {
    AHEAD = 24,            // lines that are requested from memory before they are copied
    BLOCKS_SPARE = 256,    // blocks of records besides those that the lines fill
    GROUPS_EACH = 4,       // groups for each thread at least
    LINE_PREFETCH = 128,   // bytes of a line that are requested
    MEMORY_LINE_BYTES = 64 // bytes that one request brings
};

struct writing {
    const struct sort_text *sort;
    const struct trie_sorted *sorted;
    struct sink *sink;
    char *buffers;
    uint64_t group_records; // number of records of each group
    uint64_t done;          // bytes written before this pass
    uint64_t text_bytes;    // bytes of the text that all groups of this pass will write, roughly
    // Protected by `lock`:
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t turn; // number of the group whose turn it is
    bool failed;
    struct error *error;
};

// A group that is being copied.
struct group {
    struct writing *writing;
    size_t number;
    char *buf;
    size_t len;
    bool has_turn;
};

static void fail(struct writing *w, const struct error *error)
{
    pthread_mutex_lock(&w->lock);
    if (!w->failed && w->error != NULL)
        *w->error = *error;
    w->failed = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

// Waits for the turn of the group. Groups begin in order (parallel_run), so the groups before it
// are done or in work. Returns false when a group has failed.
static bool wait_for_turn(struct group *g)
{
    struct writing *w = g->writing;
    pthread_mutex_lock(&w->lock);
    while (w->turn != g->number && !w->failed)
        pthread_cond_wait(&w->changed, &w->lock);
    bool good = !w->failed;
    pthread_mutex_unlock(&w->lock);
    g->has_turn = good;
    return good;
}

static void end_turn(struct group *g)
{
    struct writing *w = g->writing;
    pthread_mutex_lock(&w->lock);
    w->turn++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    g->has_turn = false;
}

// Writes the buffer. After the last bytes of the group, ends its turn, before writing if possible.
static bool flush(struct group *g, bool last)
{
    struct writing *w = g->writing;
    struct error error = {""};
    if (!g->has_turn && !wait_for_turn(g))
        return false;
    uint64_t at = w->sink->at;
    w->sink->at += g->len;
    if (last && !w->sink->sequential)
        end_turn(g);
    bool good = sink_write(w->sink, span_of(g->buf, g->len), at, &error);
    if (last && w->sink->sequential)
        end_turn(g);
    g->len = 0;
    if (!good)
        fail(w, &error);
    return good;
}

// Copies a line to the buffer, which is written whenever it is full.
static bool add(struct group *g, struct span line)
{
    size_t size = g->writing->sort->buffer_bytes;
    while (line.len > size - g->len) {
        size_t part = size - g->len;
        memcpy(g->buf + g->len, line.ptr, part);
        g->len = size;
        line = span_of(line.ptr + part, line.len - part);
        if (!flush(g, false))
            return false;
    }
    memcpy(g->buf + g->len, line.ptr, line.len);
    g->len += line.len;
    return true;
}

static inline void request(const char *line)
{
    for (size_t i = 0; i < LINE_PREFETCH; i += MEMORY_LINE_BYTES)
        __builtin_prefetch(line + i);
}

static void write_group(void *context, unsigned worker, size_t number)
{
    struct writing *w = context;
    const struct sort_text *s = w->sort;
    struct group g = {w, number, w->buffers + worker * s->buffer_bytes, 0, false};
    uint64_t rank = number * w->group_records;
    uint64_t left = w->sorted->count - rank;
    uint64_t count = left < w->group_records ? left : w->group_records;
    struct trie_cursor at = trie_cursor_at(w->sorted, rank);
    struct trie_cursor ahead = at;
    uint64_t requested = 0;
    for (uint64_t i = 0; i < count; i++) {
        for (; requested < count && requested < i + AHEAD; requested++) {
            request(s->text.ptr + ahead.record->offset);
            trie_cursor_next(&ahead);
        }
        uint64_t offset = at.record->offset;
        const char *line = s->text.ptr + offset;
        size_t value =
            SIMD(newline_find)(line + LINE_VALUE_AT, s->text.len - (size_t)offset - LINE_VALUE_AT);
        if (!add(&g, span_of(line, LINE_VALUE_AT + value + 1)))
            return;
        trie_cursor_next(&at);
    }
    if (flush(&g, true) && worker == 0 && s->progress != NULL)
        s->progress(s->context,
                    w->done + (uint64_t)((double)w->text_bytes / (double)w->sorted->count *
                                         (double)(rank + count)));
}

static bool write_sorted(const struct sort_text *s, const struct trie_sorted *sorted, char *buffers,
                         struct sink *sink, struct error *error)
{
    double each = (double)s->text.len / (double)s->lines; // bytes of a line
    uint64_t records = (uint64_t)((double)s->buffer_bytes * 0.9 / each) + 1;
    uint64_t share = sorted->count / ((uint64_t)s->threads * GROUPS_EACH) + 1;
    struct writing w = {
        .sort = s,
        .sorted = sorted,
        .sink = sink,
        .buffers = buffers,
        .group_records = records < share ? records : share,
        .done = (uint64_t)(each * (double)s->kept),
        .text_bytes = (uint64_t)(each * (double)sorted->count),
        .error = error,
    };
    if (sorted->count == 0)
        return true;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    parallel_run(s->threads, (size_t)((sorted->count - 1) / w.group_records + 1), write_group, &w);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    return !w.failed;
}

// Sorts and writes. There are enough blocks unless the keys are distributed very unevenly. Then a
// pass takes as many keys as fit, the least ones, and the next pass takes the others.
static bool sort_all(struct sort_text *s, struct records *r, const struct sample *sample,
                     size_t blocks, char *buffers, struct sink *sink, struct error *error)
{
    struct records_pass pass = {
        .range = all_keys, .spread = all_keys, .records_estimated = s->lines, .blocks = blocks};
    if (sample->count > 0)
        pass.spread = (struct key_range){sample->keys[0], sample->keys[sample->count - 1]};
    for (;;) {
        if (!records_read(r, &pass, error))
            return false;
        s->passes++;
        if (r->malformed > 0) {
            s->malformed = true;
            s->malformed_line = r->errors[0];
            return false;
        }
        if (!write_sorted(s, &r->sorted, buffers, sink, error))
            return false;
        s->kept += r->sorted.count;
        if (uuid_equal(r->range.high, all_keys.high))
            return true;
        pass.range.low = key_after(r->range.high);
        pass.records_estimated = s->lines > s->kept ? s->lines - s->kept : 1;
    }
}

bool sort_text_write(struct sort_text *s, struct sink *sink, struct error *error)
{
    struct records r = {0};
    struct sample sample = {0};
    // 7 % of the blocks' room is reserve: the last block of each list is not full.
    size_t blocks = (size_t)(s->lines * 100 / 93 / TRIE_BLOCK) + BLOCKS_SPARE;
    size_t size = s->threads * s->buffer_bytes;
    char *buffers = NULL;
    bool good = false;
    s->kept = 0;
    s->passes = 0;
    s->malformed = false;
    if (s->blocks != 0)
        blocks = s->blocks;
    if (s->text.len == 0)
        return true;
    buffers = memory_map(size, SIZE_MAX);
    if (buffers == NULL || !sample_take(&sample, s->text))
        error_set(error, "no memory to sort lines: %s", strerror(ENOMEM));
    else
        good = records_init(&r, s->text, (struct records_division){.threads = s->threads}, blocks,
                            error) &&
               sort_all(s, &r, &sample, blocks, buffers, sink, error);
    records_release(&r);
    free(sample.keys);
    memory_unmap(buffers, size);
    return good;
}
