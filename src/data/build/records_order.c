// Puts the records of a pass in key order. A pass is one reading of the text, in which each thread
// has distributed its records to lists (records.h). The lists of all threads for the same keys
// are joined into one part. A part that is too long to be sorted in the cache is split into
// several. Then each part is sorted in place.
#include <stdlib.h>

#include "base/parallel.h"
#include "data/build/records_internal.h"

// Joins the lists with the same number, one of each thread. They hold the same range of keys. The
// result is a part. The list that begins with the earliest line is put first. So if the text is in
// key order, the part is usually in order too, and need not be sorted.
static void join_lists(struct reading *reading)
{
    struct records *r = reading->r;
    reading->part_count = 0;
    for (unsigned p = 0; p < reading->map.fan; p++) {
        struct block_list joined = {0};
        for (unsigned t = 0; t < r->threads; t++) {
            struct block_list c = r->lists[(size_t)t * reading->map.fan + p];
            bool before = c.count > 0 && joined.count > 0 &&
                          block_pool_at(&r->pool, c.first)->offset <
                              block_pool_at(&r->pool, joined.first)->offset;
            if (before) {
                block_list_append(&r->pool, &c, &joined);
                joined = c;
            } else {
                block_list_append(&r->pool, &joined, &c);
            }
        }
        if (joined.count > 0)
            reading->parts[reading->part_count++] = joined;
    }
}

struct splitting {
    struct reading *reading;
    const size_t *long_parts; // numbers of the parts that are too long
    struct block_list *to;    // BLOCK_LIST_FAN lists for each long part
    uint32_t *spare;          // a list of blocks left over, for each long part
    // Number of long parts that are split. It begins as the number of all long parts. 1 is
    // subtracted for each part that turns out to have a single key.
    atomic_size_t split;
};

// Splits the part with the number long_parts[i].
static void split_part(void *context, unsigned worker, size_t i)
{
    struct splitting *s = context;
    struct block_list *part = &s->reading->parts[s->long_parts[i]];
    struct block_list *to = s->to + i * BLOCK_LIST_FAN;
    (void)worker;
    s->spare[i] = BLOCK_NONE;
    if (block_list_split(&s->reading->r->pool, part, to, &s->spare[i]))
        return;
    to[0] = *part; // the part has a single key, so sort_part can sort it although it is long
    atomic_fetch_sub(&s->split, 1);
}

// Splits the parts that are too long to be sorted at once. Sets `*split` to the number of parts
// that were split; parts with a single key cannot be. Returns false when memory is short.
static bool split_long_parts(struct reading *reading, const size_t *long_parts, size_t count,
                             size_t *split)
{
    struct records *r = reading->r;
    size_t most = reading->part_count + count * BLOCK_LIST_FAN;
    struct block_list *parts = malloc(most * sizeof *parts);
    struct splitting s = {reading, long_parts, calloc(count * BLOCK_LIST_FAN, sizeof *s.to),
                          calloc(count, sizeof *s.spare), count};
    bool good = parts != NULL && s.to != NULL && s.spare != NULL;
    size_t next = 0;
    size_t made = 0;
    if (!good)
        goto out;
    parallel_run(r->threads, count, split_part, &s);
    for (size_t i = 0; i < reading->part_count; i++) {
        if (next == count || long_parts[next] != i) {
            parts[made++] = reading->parts[i];
            continue;
        }
        for (size_t j = 0; j < BLOCK_LIST_FAN; j++)
            if (s.to[next * BLOCK_LIST_FAN + j].count > 0)
                parts[made++] = s.to[next * BLOCK_LIST_FAN + j];
        for (uint32_t block = s.spare[next]; block != BLOCK_NONE;) {
            uint32_t next_block = r->pool.next[block];
            block_pool_give(&r->pool, block);
            block = next_block;
        }
        next++;
    }
    free(reading->parts);
    reading->parts = parts;
    reading->part_count = made;
    *split = atomic_load(&s.split);
    parts = NULL;
out:
    free(parts);
    free(s.to);
    free(s.spare);
    return good;
}

// There are too few free blocks to split the parts. If the pass has read the text and there is a
// temporary file, spills all parts, so that the text need not be read again. Otherwise drops about
// half of the records of this pass, those with the greatest keys; a later pass reads them again.
// Returns false when memory is short or the file cannot be written.
static bool free_blocks(struct reading *reading)
{
    if (reading->pass->from != NULL || !records_can_spill(reading))
        return records_shorten_range(reading, reading->parts, reading->part_count);
    bool good = records_spill(reading, reading->parts, reading->part_count, 1);
    reading->part_count = 0;
    return good;
}

// Splits until every part can be sorted at once or has a single key. Returns false when memory is
// short or the temporary file cannot be written.
static bool shorten_parts(struct reading *reading)
{
    struct records *r = reading->r;
    for (;;) {
        size_t *long_parts = malloc((reading->part_count + 1) * sizeof *long_parts);
        size_t count = 0;
        size_t split = 0;
        if (long_parts == NULL)
            return false;
        for (size_t i = 0; i < reading->part_count; i++)
            if (reading->parts[i].count > r->part_records)
                long_parts[count++] = i;
        bool room = (long long)(count * BLOCK_LIST_FAN) <= atomic_load(&r->pool.left);
        bool good = count == 0 || (room ? split_long_parts(reading, long_parts, count, &split)
                                        : free_blocks(reading));
        free(long_parts);
        if (!good || count == 0 || (room && split == 0))
            return good;
    }
}

struct sorting {
    struct reading *reading;
    struct trie_part *parts;
};

static void sort_part(void *context, unsigned worker, size_t part)
{
    struct sorting *s = context;
    struct records *r = s->reading->r;
    struct block_list *c = &s->reading->parts[part];
    uint64_t total = c->count;
    uint32_t *order = r->order + s->parts[part].block;
    uint64_t dropped_bytes = block_list_sort(&r->pool, c, r->part_records, r->text, order,
                                             r->buffers + (size_t)worker * TRIE_PART);
    if (dropped_bytes > 0)
        atomic_fetch_add(&s->reading->dropped_bytes, dropped_bytes);
    records_add_work(s->reading, worker, total * RECORDS_SORT_WORK);
}

static bool sort_parts(struct reading *reading)
{
    struct records *r = reading->r;
    struct sorting s = {reading, malloc((reading->part_count + 1) * sizeof *s.parts)};
    uint64_t block = 0;
    uint64_t rank = 0;
    if (s.parts == NULL)
        return false;
    free(r->parts);
    r->parts = s.parts;
    size_t filled = 0; // number of parts with records; shortening the range may have emptied some
    for (size_t i = 0; i < reading->part_count; i++)
        if (reading->parts[i].count > 0)
            reading->parts[filled++] = reading->parts[i];
    reading->part_count = filled;
    for (size_t i = 0; i < reading->part_count; i++) {
        s.parts[i].block = block;
        block += block_list_blocks(&r->pool, &reading->parts[i]);
    }
    parallel_run(r->threads, reading->part_count, sort_part, &s);
    for (size_t i = 0; i < reading->part_count; i++) {
        s.parts[i].rank = rank;
        rank += reading->parts[i].count;
    }
    s.parts[reading->part_count] = (struct trie_part){rank, block};
    r->sorted = (struct trie_sorted){r->pool.records, r->order, s.parts, reading->part_count, rank};
    return true;
}

bool records_order(struct reading *reading)
{
    join_lists(reading);
    return shorten_parts(reading) && sort_parts(reading);
}
