// Reads the text with several threads. The text is divided into chunks. Each thread distributes the
// records of a chunk to its lists, each of which holds a smaller range of keys.
//
// The number of blocks bounds the memory. When no block is left, the threads stop reading. All
// records are written to the temporary file, and reading continues where it stopped.
//
// Without a temporary file, the range is shortened at its upper end, and the records outside are
// dropped. So the pass has all records of the shortened range, whatever the keys are, and reads no
// line twice.
#include "data/build/records.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/build/records_internal.h"
#include "data/identity.h"

enum {
    CHUNK_BYTES = 4 << 20,
    CHUNKS_MAX = 1 << 12, // bounds the memory for the states of the chunks
    CUT_SAMPLE = 1 << 12, // keys sampled to choose where the range is cut
};

void records_add_work(struct reading *reading, unsigned worker, uint64_t work)
{
    uint64_t done = atomic_fetch_add_explicit(&reading->work, work, memory_order_relaxed) + work;
    if (worker == 0 && reading->pass->progress != NULL)
        reading->pass->progress(reading->pass->context, done);
}

// ---- shortening the range -----------------------------------------------------------------------

struct shortening {
    struct block_pool *pool;
    struct block_list *lists;
    struct uuid high;
};

static void drop_above(void *context, unsigned worker, size_t list)
{
    struct shortening *shortening = context;
    (void)worker;
    block_list_drop_above(shortening->pool, &shortening->lists[list], shortening->high);
}

// Returns the least and the greatest key of the lists.
static struct key_range key_bounds(const struct records *r, const struct block_list *lists,
                                   size_t count)
{
    struct key_range bounds = {all_keys.high, all_keys.low};
    for (size_t i = 0; i < count; i++) {
        uint32_t block = lists[i].first;
        for (bool more = lists[i].count > 0; more; block = r->pool.next[block]) {
            const struct trie_record *records = block_pool_at(&r->pool, block);
            for (unsigned j = 0; j < r->pool.fill[block]; j++) {
                if (uuid_less(records[j].id, bounds.low))
                    bounds.low = records[j].id;
                if (uuid_less(bounds.high, records[j].id))
                    bounds.high = records[j].id;
            }
            more = block != lists[i].last;
        }
    }
    return bounds;
}

// All records have the same key. Drops all of them except the one with the last line.
static void keep_last_line(struct reading *reading, struct block_list *lists, size_t count)
{
    struct records *r = reading->r;
    struct trie_record last = {.offset = 0};
    struct block_list *home = NULL;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t block = lists[i].first;
        for (bool more = lists[i].count > 0; more;) {
            const struct trie_record *records = block_pool_at(&r->pool, block);
            for (unsigned j = 0; j < r->pool.fill[block]; j++) {
                bytes += line_value(r->text, records[j].offset).len;
                if (home == NULL || records[j].offset > last.offset)
                    last = records[j];
                home = home == NULL ? &lists[i] : home;
            }
            uint32_t next = r->pool.next[block];
            more = block != lists[i].last;
            block_pool_give(&r->pool, block);
            block = next;
        }
        lists[i].count = 0;
    }
    reading->single = last.id;
    reading->single_dropped += bytes - line_value(r->text, last.offset).len;
    bool added = block_list_add(&r->pool, home, last.id, last.offset);
    assert(added);
    block_list_close(&r->pool, home);
}

bool records_shorten_range(struct reading *reading, struct block_list *lists, size_t count)
{
    struct records *r = reading->r;
    struct shortening shortening = {.pool = &r->pool, .lists = lists};
    struct uuid *sample = malloc(CUT_SAMPLE * sizeof *sample);
    size_t every = r->pool.blocks / CUT_SAMPLE + 1;
    size_t sampled = 0;
    size_t seen = 0;
    if (sample == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t block = lists[i].first;
        for (bool more = lists[i].count > 0; more; block = r->pool.next[block]) {
            if (seen++ % every == 0 && sampled < CUT_SAMPLE)
                sample[sampled++] = block_pool_at(&r->pool, block)->id;
            more = block != lists[i].last;
        }
    }
    assert(sampled > 0);
    qsort(sample, sampled, sizeof *sample, uuid_compare);
    struct uuid a = sample[sampled / 5 * 2];
    struct uuid b = sample[sampled / 5 * 3];
    free(sample);
    r->cuts++;
    if (uuid_less(a, b)) {
        shortening.high = key_range_round_end(a, b);
    } else {
        struct key_range bounds = key_bounds(r, lists, count);
        if (uuid_equal(bounds.low, bounds.high)) {
            keep_last_line(reading, lists, count);
            return true;
        }
        shortening.high = uuid_less(a, bounds.high) ? a : key_of(key_number(a) - 1);
    }
    r->range.high = shortening.high;
    if (uuid_less(shortening.high, reading->single))
        reading->single_dropped = 0; // a later pass reads these lines again and counts them
    parallel_run(r->threads, count, drop_above, &shortening);
    return true;
}

// ---- a pass -------------------------------------------------------------------------------------

static bool no_memory(struct error *error)
{
    error_set(error, "no memory to sort records: %s", strerror(ENOMEM));
    return false;
}

size_t records_blocks(const struct records *r, size_t blocks)
{
    size_t least = (size_t)BLOCKS_PER_LIST * LISTS_MIN * r->threads;
    return blocks > least ? blocks : least;
}

uint64_t records_other_bytes(const struct records *r)
{
    return r->chunk_count * sizeof *r->chunks + RECORDS_SAMPLE * sizeof *r->sample +
           r->threads *
               (uint64_t)(TRIE_PART * sizeof *r->buffers + RECORDS_FAN_MAX * sizeof *r->lists);
}

// Returns the bytes of a chunk: whole blocks of checksums.
static size_t chunk_bytes_for(size_t text_bytes)
{
    size_t blocks = text_bytes / CHUNKS_MAX / IDENTITY_BLOCK + 1;
    return blocks * IDENTITY_BLOCK > CHUNK_BYTES ? blocks * IDENTITY_BLOCK : CHUNK_BYTES;
}

bool records_init(struct records *r, struct span text, struct records_division division,
                  size_t blocks_max, struct error *error)
{
    *r = (struct records){.text = text, .part_records = TRIE_PART};
    r->threads = division.threads != 0 ? division.threads : parallel_threads();
    if (r->threads > PARALLEL_THREADS_MAX)
        r->threads = PARALLEL_THREADS_MAX;
    if (division.part_records != 0 && division.part_records < TRIE_PART)
        r->part_records = division.part_records;
    r->chunk_bytes = division.chunk_bytes;
    if (r->chunk_bytes == 0)
        r->chunk_bytes = chunk_bytes_for(text.len);
    if (r->chunk_bytes > text.len)
        r->chunk_bytes = text.len;
    r->chunk_count = text.len > 0 ? (text.len - 1) / r->chunk_bytes + 1 : 0;
    blocks_max = records_blocks(r, blocks_max);
    r->chunks = calloc(r->chunk_count + 1, sizeof *r->chunks);
    r->sample = memory_map(RECORDS_SAMPLE * sizeof *r->sample, SIZE_MAX);
    r->lists = memory_map((size_t)r->threads * RECORDS_FAN_MAX * sizeof *r->lists, SIZE_MAX);
    r->buffers = memory_map((size_t)r->threads * TRIE_PART * sizeof *r->buffers, SIZE_MAX);
    r->order = memory_map(blocks_max * sizeof *r->order, SIZE_MAX);
    r->blocks_max = blocks_max;
    if (!block_pool_init(&r->pool, blocks_max) || r->chunks == NULL || r->sample == NULL ||
        r->lists == NULL || r->buffers == NULL || r->order == NULL) {
        records_release(r);
        return no_memory(error);
    }
    return true;
}

bool records_can_spill(struct reading *reading)
{
    const struct records_pass *pass = reading->pass;
    if (reading->spill == NULL && pass->spill != NULL)
        reading->spill = pass->spill(pass->context);
    return reading->spill != NULL;
}

struct spilling {
    struct reading *reading;
    struct spill_run run;
};

static void spill_lists(void *context, unsigned worker, size_t job)
{
    struct spilling *k = context;
    uint64_t count = spill_run_write(&k->run, worker, job);
    records_add_work(k->reading, worker, count * RECORDS_SPILL_WORK);
}

bool records_spill(struct reading *reading, const struct block_list *lists, size_t count,
                   unsigned ways)
{
    struct records *r = reading->r;
    struct spilling k = {.reading = reading};
    if (!spill_run_begin(&k.run, reading->spill, &r->spilled, &r->pool, lists, count, ways))
        return false;
    parallel_run(r->threads, k.run.jobs, spill_lists, &k);
    block_pool_reset(&r->pool, r->pool.blocks);
    return atomic_load(&reading->spill->failed) == 0;
}

// Whether all records of the lists have the same key.
static bool has_one_key(const struct records *r, const struct block_list *lists, size_t count)
{
    const struct uuid *first = NULL;
    for (size_t i = 0; i < count; i++) {
        uint32_t block = lists[i].first;
        for (bool more = lists[i].count > 0; more; block = r->pool.next[block]) {
            const struct trie_record *records = block_pool_at(&r->pool, block);
            first = first == NULL ? &records->id : first;
            for (unsigned j = 0; j < r->pool.fill[block]; j++)
                if (!uuid_equal(*first, records[j].id))
                    return false;
            more = block != lists[i].last;
        }
    }
    return true;
}

// No block is left, or all is read and earlier records were spilled. Makes blocks free. Returns
// false when memory is short or the temporary file cannot be written.
static bool free_blocks(struct reading *reading, size_t list_count)
{
    struct records *r = reading->r;
    if (!records_can_spill(reading))
        return records_shorten_range(reading, r->lists, list_count);
    if (r->spilled.run_count == 0 && has_one_key(r, r->lists, list_count)) {
        keep_last_line(reading, r->lists, list_count);
        return true;
    }
    bool good = records_spill(reading, r->lists, reading->map.fan, r->threads);
    memset(r->lists, 0, list_count * sizeof *r->lists);
    return good;
}

// Reads all chunks or pieces, and makes blocks free whenever none is left. Returns false when
// memory is short, or the temporary file cannot be written or read.
static bool read_all(struct reading *reading)
{
    struct records *r = reading->r;
    size_t list_count = (size_t)r->threads * reading->map.fan;
    for (;;) {
        atomic_store(&reading->full, false);
        if (reading->pass->from != NULL)
            parallel_run(r->threads, reading->piece_count, records_read_piece, reading);
        else
            parallel_run(r->threads, r->chunk_count, records_read_chunk, reading);
        for (size_t i = 0; i < list_count; i++)
            block_list_close(&r->pool, &r->lists[i]);
        if (reading->spill != NULL && atomic_load(&reading->spill->failed) != 0)
            return false;
        bool full = atomic_load(&reading->full);
        if ((full || r->spilled.run_count > 0) && !free_blocks(reading, list_count))
            return false;
        if (!full)
            return true;
    }
}

// Prepares to read `pass->from`, if it is set. Returns false when memory is short.
static bool find_pieces(struct reading *reading)
{
    const struct spill_part *from = reading->pass->from;
    if (from == NULL)
        return true;
    bool open = records_can_spill(reading);
    assert(open);
    reading->pieces = spill_pieces(reading->spill, from, &reading->piece_count);
    return reading->pieces != NULL;
}

// Makes all blocks free, returns the memory of all but the first `blocks` to the system, and
// empties `sorted`.
static void reset(struct records *r, size_t blocks)
{
    block_pool_reset(&r->pool, records_blocks(r, blocks));
    r->sorted = (struct trie_sorted){0};
}

bool records_read(struct records *r, const struct records_pass *pass, struct error *error)
{
    struct reading reading = {.r = r, .pass = pass, .first = pass->from == NULL && r->lines == 0};
    bool good = false;
    assert(r->spilled.run_count == 0);
    r->cuts = 0;
    reading.sample_every = r->text.len / (LINE_MIN + 1) / RECORDS_SAMPLE + 1;
    r->range = pass->range;
    reset(r, pass->blocks);
    records_choose_map(&reading);
    memset(r->lists, 0, (size_t)r->threads * reading.map.fan * sizeof *r->lists);
    for (size_t i = 0; i < r->chunk_count; i++)
        r->chunks[i].begun = false;
    reading.parts = malloc(reading.map.fan * sizeof *reading.parts);
    if (reading.parts == NULL || !find_pieces(&reading) || !read_all(&reading) ||
        (reading.first && !records_add_chunks(r)))
        goto out;
    if (reading.first) {
        size_t sampled = atomic_load(&reading.sampled);
        r->sample_count = sampled < RECORDS_SAMPLE ? sampled : RECORDS_SAMPLE;
        qsort(r->sample, r->sample_count, sizeof *r->sample, uuid_compare);
    }
    good = records_order(&reading);
    r->dropped_bytes = atomic_load(&reading.dropped_bytes) + reading.single_dropped;
    r->work = atomic_load(&reading.work);
out:
    free(reading.parts);
    free(reading.pieces);
    if (!good && (reading.spill == NULL || !spill_has_failed(reading.spill, error)))
        error_set(error, "no memory to sort records: %s", strerror(ENOMEM));
    return good;
}

void records_release(struct records *r)
{
    for (size_t i = 0; r->chunks != NULL && i < r->chunk_count; i++)
        free(r->chunks[i].errors);
    free(r->chunks);
    free(r->parts);
    spilled_release(&r->spilled);
    memory_unmap(r->sample, RECORDS_SAMPLE * sizeof *r->sample);
    memory_unmap(r->lists, (size_t)r->threads * RECORDS_FAN_MAX * sizeof *r->lists);
    memory_unmap(r->buffers, (size_t)r->threads * TRIE_PART * sizeof *r->buffers);
    memory_unmap(r->order, r->blocks_max * sizeof *r->order);
    block_pool_release(&r->pool);
    *r = (struct records){0};
}
