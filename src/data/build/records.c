// Reading in parallel: the text is cut into chunks, whose records are dealt out by key to chains,
// one for each part of the range and each thread. A chain too long to be sorted in cache is split,
// the others are sorted one by one, in place.
//
// The blocks of the chains bound the memory. When none is left, the reading stops, the upper part
// of the range is given up with its records, and the reading goes on where it stopped: what is kept
// is complete, whatever the keys are, and nothing is read twice in one pass.
#include "data/build/records.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/uuid_text.h"

enum {
    CHUNK_BYTES = 4 << 20,
    CHUNKS_MAX = 1 << 12, // each has a state of its own
    FAN_MAX = 1 << 13,    // chains per thread: their last lines stay in a core's cache
    SAMPLE = 1 << 15,     // keys
    CUT_SAMPLE = 1 << 12,
    BLOCKS_PER_CHAIN = 16, // the last block of a chain is half empty on average
};

struct chunk {
    uint64_t offset; // where reading goes on
    uint64_t end;    // a line that begins from here on is the next chunk's
    uint64_t lines;
    uint64_t malformed;
    uint64_t value_bytes;
    struct line_error *errors; // RECORDS_ERRORS_MAX; NULL as long as there are none
    bool begun;
    bool failed; // memory ran short
};

// Which chain a key belongs to: by its distance from `low`, in steps of 2^shift.
struct key_map {
    unsigned __int128 low;
    unsigned shift;
    unsigned fan;
};

struct reading {
    struct records *r;
    const struct records_pass *pass;
    struct key_map map;
    bool first; // the lines are judged and counted
    uint64_t sample_every;
    atomic_size_t sampled;
    atomic_bool full;   // no block is left
    atomic_ullong work; // done, see records_pass
    atomic_ullong dropped_bytes;
    struct chain *parts; // when all is read: in key order
    size_t part_count;
    struct uuid single; // the key of which all but the last line were dropped to make room
    uint64_t single_dropped;
};

static unsigned __int128 number_of(struct uuid id)
{
    return (unsigned __int128)id.hi << 64 | id.lo;
}

static struct uuid uuid_of(unsigned __int128 number)
{
    return (struct uuid){(uint64_t)(number >> 64), (uint64_t)number};
}

// ---- reading ------------------------------------------------------------------------------------

static void choose_map(struct reading *reading)
{
    const struct records *r = reading->r;
    const struct records_pass *pass = reading->pass;
    unsigned __int128 low = number_of(pass->range.low);
    unsigned __int128 high = number_of(pass->range.high);
    unsigned __int128 spread_low = number_of(pass->spread.low);
    unsigned __int128 spread_high = number_of(pass->spread.high);
    size_t fan_max = r->pool.blocks / BLOCKS_PER_CHAIN / r->threads;
    // A chain of random keys should rarely need to be split; steps are powers of two, so there will
    // be up to twice as many chains as wanted.
    uint64_t wanted = pass->records_guessed / (r->part_records / 8 * 5 + 1) + 1;
    struct key_map *map = &reading->map;
    if (fan_max > FAN_MAX)
        fan_max = FAN_MAX;
    if (spread_low <= high && spread_high >= low && spread_low <= spread_high) {
        low = spread_low > low ? spread_low : low;
        high = spread_high < high ? spread_high : high;
    }
    *map = (struct key_map){.low = low, .fan = 1};
    while (map->shift < 127) {
        unsigned __int128 steps = (high - map->low) >> map->shift;
        if (steps < fan_max && steps < wanted * 2) {
            map->fan = (unsigned)steps + 1;
            break;
        }
        map->shift++;
        map->low = low >> map->shift << map->shift;
    }
}

static inline unsigned chain_of(const struct key_map *map, struct uuid id)
{
    uint64_t steps;
    if (map->shift >= 64) {
        uint64_t low = (uint64_t)(map->low >> 64);
        steps = id.hi > low ? (id.hi - low) >> (map->shift - 64) : 0;
    } else {
        unsigned __int128 number = number_of(id);
        unsigned __int128 far = number > map->low ? (number - map->low) >> map->shift : 0;
        steps = far < map->fan ? (uint64_t)far : map->fan;
    }
    return steps < map->fan ? (unsigned)steps : map->fan - 1;
}

// Where the chunk's first line begins; its end when none does.
static void begin_chunk(struct reading *reading, struct chunk *c, size_t part)
{
    const struct span text = reading->r->text;
    uint64_t begin = part * reading->r->chunk_bytes;
    uint64_t left = text.len - begin;
    c->end = left > reading->r->chunk_bytes ? begin + reading->r->chunk_bytes : text.len;
    c->offset = begin;
    c->begun = true;
    if (begin > 0) {
        const char *newline = memchr(text.ptr + begin - 1, '\n', c->end - begin);
        c->offset = newline != NULL ? (uint64_t)(newline - text.ptr) + 1 : c->end;
    }
}

static void note_malformed(struct chunk *c, const struct line_error *fault, uint64_t lines_before)
{
    if (c->errors == NULL)
        c->errors = calloc(RECORDS_ERRORS_MAX, sizeof *c->errors);
    if (c->errors == NULL) {
        c->failed = true;
    } else if (c->malformed < RECORDS_ERRORS_MAX) {
        c->errors[c->malformed] = *fault;
        c->errors[c->malformed].line -= lines_before;
    }
    c->malformed++;
}

static void sample_key(struct reading *reading, struct uuid id)
{
    size_t at = atomic_fetch_add_explicit(&reading->sampled, 1, memory_order_relaxed);
    if (at < SAMPLE)
        reading->r->sample[at] = id;
}

static void tell(struct reading *reading, unsigned worker, uint64_t work)
{
    uint64_t done = atomic_fetch_add_explicit(&reading->work, work, memory_order_relaxed) + work;
    if (worker == 0 && reading->pass->progress != NULL)
        reading->pass->progress(reading->pass->progress_context, done);
}

// The first digits of a key's text as a number; of two texts the lesser belongs to the lesser key.
// Letters in either case are the same, and what is no digit does not matter: it begins no record.
static inline uint64_t first_digits(const char *text)
{
    uint64_t digits;
    memcpy(&digits, text, sizeof digits);
    return be64toh(digits) | 0x2020202020202020u;
}

static uint64_t first_digits_of(struct uuid id)
{
    char text[UUID_TEXT_LEN];
    uuid_format(id, text);
    return first_digits(text);
}

// Where the next line begins that may be in the range, for passes that need not judge the others.
static uint64_t skip_lines(struct span text, uint64_t offset, uint64_t end, uint64_t low,
                           uint64_t high)
{
    while (offset < end && text.len - offset >= sizeof(uint64_t)) {
        uint64_t digits = first_digits(text.ptr + offset);
        if (digits >= low && digits <= high)
            return offset;
        const char *newline = memchr(text.ptr + offset, '\n', text.len - offset);
        if (newline == NULL)
            return end;
        offset = (uint64_t)(newline - text.ptr) + 1;
    }
    return offset;
}

static void read_chunk(void *context, unsigned worker, size_t part)
{
    struct reading *reading = context;
    struct records *r = reading->r;
    struct chunk *c = &r->chunks[part];
    const struct key_map map = reading->map;
    const struct key_range range = r->range;
    struct chain *chains = r->chains + (size_t)worker * map.fan;
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    if (!c->begun)
        begin_chunk(reading, c, part);
    if (c->offset >= c->end || atomic_load_explicit(&reading->full, memory_order_relaxed))
        return;
    uint64_t begin = c->offset;
    uint64_t lines_before = part > 0; // so that only the first chunk has a first line
    uint64_t until_sample = 0;
    uint64_t low_digits = first_digits_of(range.low);
    uint64_t high_digits = first_digits_of(range.high);
    uint64_t value_bytes = 0;
    lines_init(&reader, r->text);
    reader.offset = c->offset;
    reader.line += lines_before + c->lines;
    while (reader.offset < c->end) {
        if (!reading->first) {
            reader.offset = skip_lines(r->text, reader.offset, c->end, low_digits, high_digits);
            if (reader.offset >= c->end)
                break;
        }
        uint64_t offset = reader.offset;
        if (lines_next(&reader, &record, &fault) == LINE_MALFORMED) {
            if (reading->first)
                note_malformed(c, &fault, lines_before);
            continue;
        }
        if (!uuid_less(record.id, range.low) && !uuid_less(range.high, record.id) &&
            !chain_add(&r->pool, &chains[chain_of(&map, record.id)], record.id, record.offset)) {
            reader.offset = offset;
            reader.line--;
            atomic_store(&reading->full, true);
            break;
        }
        value_bytes += record.value.len;
        if (reading->first && until_sample-- == 0) {
            sample_key(reading, record.id);
            until_sample = reading->sample_every - 1;
        }
    }
    c->lines = reader.line - 1 - lines_before;
    c->value_bytes += value_bytes;
    c->offset = reader.offset;
    tell(reading, worker, c->offset - begin);
}

// Adds up what the chunks found. False when one ran out of memory.
static bool sum_up(struct records *r)
{
    for (size_t i = 0; i < r->chunk_count; i++) {
        const struct chunk *c = &r->chunks[i];
        if (c->failed)
            return false;
        for (uint64_t e = 0; e < c->malformed && e < RECORDS_ERRORS_MAX; e++) {
            if (r->malformed + e >= RECORDS_ERRORS_MAX)
                break;
            r->errors[r->malformed + e] = c->errors[e];
            r->errors[r->malformed + e].line += r->lines;
        }
        r->lines += c->lines;
        r->malformed += c->malformed;
        r->value_bytes += c->value_bytes;
    }
    return true;
}

// ---- giving up the upper part of the range ------------------------------------------------------

struct cutting {
    struct pool *pool;
    struct chain *chains;
    struct uuid high;
};

static void keep_chain(void *context, unsigned worker, size_t part)
{
    struct cutting *cutting = context;
    (void)worker;
    chain_keep(cutting->pool, &cutting->chains[part], cutting->high);
}

// The least and the greatest key of the chains.
static struct key_range span_keys(const struct records *r, const struct chain *chains, size_t count)
{
    struct key_range span = {all_keys.high, all_keys.low};
    for (size_t i = 0; i < count; i++) {
        uint32_t block = chains[i].first;
        for (bool more = chains[i].count > 0; more; block = r->pool.next[block]) {
            const struct trie_record *records = pool_block(&r->pool, block);
            for (unsigned j = 0; j < r->pool.fill[block]; j++) {
                if (uuid_less(records[j].id, span.low))
                    span.low = records[j].id;
                if (uuid_less(span.high, records[j].id))
                    span.high = records[j].id;
            }
            more = block != chains[i].last;
        }
    }
    return span;
}

// Drops all records, which are of one key, but the last line's.
static void keep_last_line(struct reading *reading, struct chain *chains, size_t count)
{
    struct records *r = reading->r;
    struct trie_record last = {.offset = 0};
    struct chain *home = NULL;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t block = chains[i].first;
        for (bool more = chains[i].count > 0; more;) {
            const struct trie_record *records = pool_block(&r->pool, block);
            for (unsigned j = 0; j < r->pool.fill[block]; j++) {
                bytes += line_value(r->text, records[j].offset).len;
                if (home == NULL || records[j].offset > last.offset)
                    last = records[j];
                home = home == NULL ? &chains[i] : home;
            }
            uint32_t next = r->pool.next[block];
            more = block != chains[i].last;
            pool_give(&r->pool, block);
            block = next;
        }
        chains[i].count = 0;
    }
    reading->single = last.id;
    reading->single_dropped += bytes - line_value(r->text, last.offset).len;
    bool added = chain_add(&r->pool, home, last.id, last.offset);
    assert(added);
    chain_close(&r->pool, home);
}

bool records_is_block(struct key_range range)
{
    unsigned __int128 low = number_of(range.low);
    unsigned __int128 differing = low ^ number_of(range.high);
    return (differing & (differing + 1)) == 0 && (low & differing) == 0;
}

struct uuid records_round_end(struct uuid a, struct uuid b)
{
    unsigned __int128 differing = number_of(a) ^ number_of(b);
    unsigned bit = 0;
    assert(uuid_less(a, b));
    while (differing >> bit > 1)
        bit++;
    return uuid_of((number_of(b) >> bit << bit) - 1);
}

// Makes room by giving up about the upper half of the records. The chains' ends are closed.
static bool cut(struct reading *reading, struct chain *chains, size_t count)
{
    struct records *r = reading->r;
    struct cutting cutting = {.pool = &r->pool, .chains = chains};
    struct uuid *sample = malloc(CUT_SAMPLE * sizeof *sample);
    size_t every = r->pool.blocks / CUT_SAMPLE + 1;
    size_t sampled = 0;
    size_t seen = 0;
    if (sample == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t block = chains[i].first;
        for (bool more = chains[i].count > 0; more; block = r->pool.next[block]) {
            if (seen++ % every == 0 && sampled < CUT_SAMPLE)
                sample[sampled++] = pool_block(&r->pool, block)->id;
            more = block != chains[i].last;
        }
    }
    assert(sampled > 0);
    qsort(sample, sampled, sizeof *sample, uuid_compare);
    struct uuid a = sample[sampled / 5 * 2];
    struct uuid b = sample[sampled / 5 * 3];
    free(sample);
    r->cuts++;
    if (uuid_less(a, b)) {
        cutting.high = records_round_end(a, b);
    } else {
        struct key_range span = span_keys(r, chains, count);
        if (uuid_equal(span.low, span.high)) {
            keep_last_line(reading, chains, count);
            return true;
        }
        cutting.high = uuid_less(a, span.high) ? a : uuid_of(number_of(a) - 1);
    }
    r->range.high = cutting.high;
    if (uuid_less(cutting.high, reading->single))
        reading->single_dropped = 0; // a later pass will drop them again
    parallel_run(r->threads, count, keep_chain, &cutting);
    return true;
}

// ---- bringing in order --------------------------------------------------------------------------

// Puts the chains of all threads together, part by part. In a text that is in order the chain whose
// lines come first is the one to begin with.
static void join_chains(struct reading *reading)
{
    struct records *r = reading->r;
    reading->part_count = 0;
    for (unsigned p = 0; p < reading->map.fan; p++) {
        struct chain joined = {0};
        for (unsigned t = 0; t < r->threads; t++) {
            struct chain c = r->chains[(size_t)t * reading->map.fan + p];
            bool before =
                c.count > 0 && joined.count > 0 &&
                pool_block(&r->pool, c.first)->offset < pool_block(&r->pool, joined.first)->offset;
            if (before) {
                chain_append(&r->pool, &c, &joined);
                joined = c;
            } else {
                chain_append(&r->pool, &joined, &c);
            }
        }
        if (joined.count > 0)
            reading->parts[reading->part_count++] = joined;
    }
}

struct splitting {
    struct reading *reading;
    const size_t *long_parts;
    struct chain *to; // CHAIN_FAN for each of them
    uint32_t *spare;  // of each of them
    atomic_size_t split;
};

static void split_part(void *context, unsigned worker, size_t part)
{
    struct splitting *s = context;
    struct chain *c = &s->reading->parts[s->long_parts[part]];
    struct chain *to = s->to + part * CHAIN_FAN;
    (void)worker;
    s->spare[part] = POOL_NONE;
    if (chain_split(&s->reading->r->pool, c, to, &s->spare[part]))
        return;
    to[0] = *c; // of one key alone: sort_part will do
    atomic_fetch_sub(&s->split, 1);
}

// Splits the parts too long to be sorted at once; `*split` is how many it could. False when memory
// is short.
static bool split_long_parts(struct reading *reading, const size_t *long_parts, size_t count,
                             size_t *split)
{
    struct records *r = reading->r;
    size_t most = reading->part_count + count * CHAIN_FAN;
    struct chain *parts = malloc(most * sizeof *parts);
    struct splitting s = {reading, long_parts, calloc(count * CHAIN_FAN, sizeof *s.to),
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
        for (size_t j = 0; j < CHAIN_FAN; j++)
            if (s.to[next * CHAIN_FAN + j].count > 0)
                parts[made++] = s.to[next * CHAIN_FAN + j];
        for (uint32_t block = s.spare[next]; block != POOL_NONE;) {
            uint32_t behind = r->pool.next[block];
            pool_give(&r->pool, block);
            block = behind;
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

// Splits until every part can be sorted at once or has one key alone, and gives up the upper half
// of the range if the blocks do not suffice for that. False when memory is short.
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
        bool room = (long long)(count * CHAIN_FAN) <= atomic_load(&r->pool.left);
        bool good = count == 0 || (room ? split_long_parts(reading, long_parts, count, &split)
                                        : cut(reading, reading->parts, reading->part_count));
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
    struct chain *c = &s->reading->parts[part];
    uint64_t total = c->count;
    uint32_t *order = r->order + s->parts[part].block;
    uint64_t dropped_bytes = chain_sort(&r->pool, c, r->part_records, r->text, order,
                                        r->buffers + (size_t)worker * TRIE_PART);
    if (dropped_bytes > 0)
        atomic_fetch_add(&s->reading->dropped_bytes, dropped_bytes);
    tell(s->reading, worker, total * RECORDS_SORT_WORK);
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
    size_t filled = 0; // what was cut off may have left parts empty
    for (size_t i = 0; i < reading->part_count; i++)
        if (reading->parts[i].count > 0)
            reading->parts[filled++] = reading->parts[i];
    reading->part_count = filled;
    for (size_t i = 0; i < reading->part_count; i++) {
        s.parts[i].block = block;
        block += chain_blocks(&r->pool, &reading->parts[i]);
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

// ---- a pass -------------------------------------------------------------------------------------

static bool no_memory(struct error *error)
{
    error_set(error, "no memory to sort records: %s", strerror(ENOMEM));
    return false;
}

size_t records_blocks(const struct records *r, size_t blocks)
{
    size_t least = (size_t)BLOCKS_PER_CHAIN * r->threads;
    return blocks > least ? blocks : least;
}

uint64_t records_other_bytes(const struct records *r)
{
    return r->chunk_count * sizeof *r->chunks + SAMPLE * sizeof *r->sample +
           r->threads * (uint64_t)(TRIE_PART * sizeof *r->buffers + FAN_MAX * sizeof *r->chains);
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
        r->chunk_bytes = text.len / CHUNKS_MAX > CHUNK_BYTES ? text.len / CHUNKS_MAX : CHUNK_BYTES;
    if (r->chunk_bytes > text.len)
        r->chunk_bytes = text.len;
    r->chunk_count = text.len > 0 ? (text.len - 1) / r->chunk_bytes + 1 : 0;
    blocks_max = records_blocks(r, blocks_max);
    r->chunks = calloc(r->chunk_count + 1, sizeof *r->chunks);
    r->sample = memory_map(SAMPLE * sizeof *r->sample, SIZE_MAX);
    r->chains = memory_map((size_t)r->threads * FAN_MAX * sizeof *r->chains, SIZE_MAX);
    r->buffers = memory_map((size_t)r->threads * TRIE_PART * sizeof *r->buffers, SIZE_MAX);
    r->order = memory_map(blocks_max * sizeof *r->order, SIZE_MAX);
    r->blocks_max = blocks_max;
    if (!pool_init(&r->pool, blocks_max) || r->chunks == NULL || r->sample == NULL ||
        r->chains == NULL || r->buffers == NULL || r->order == NULL) {
        records_release(r);
        return no_memory(error);
    }
    return true;
}

// Reads all chunks, giving up parts of the range as need be.
static bool read_all(struct reading *reading)
{
    struct records *r = reading->r;
    size_t chain_count = (size_t)r->threads * reading->map.fan;
    for (;;) {
        atomic_store(&reading->full, false);
        parallel_run(r->threads, r->chunk_count, read_chunk, reading);
        for (size_t i = 0; i < chain_count; i++)
            chain_close(&r->pool, &r->chains[i]);
        if (!atomic_load(&reading->full))
            return true;
        if (!cut(reading, r->chains, chain_count))
            return false;
    }
}

bool records_read(struct records *r, const struct records_pass *pass, struct error *error)
{
    struct reading reading = {.r = r, .pass = pass, .first = r->lines == 0};
    bool good = false;
    r->cuts = 0;
    reading.sample_every = r->text.len / (LINE_MIN + 1) / SAMPLE + 1;
    r->range = pass->range;
    records_forget(r, pass->blocks);
    choose_map(&reading);
    memset(r->chains, 0, (size_t)r->threads * reading.map.fan * sizeof *r->chains);
    for (size_t i = 0; i < r->chunk_count; i++)
        r->chunks[i].begun = false;
    reading.parts = malloc(reading.map.fan * sizeof *reading.parts);
    if (reading.parts == NULL || !read_all(&reading) || (reading.first && !sum_up(r)))
        goto out;
    if (reading.first) {
        size_t sampled = atomic_load(&reading.sampled);
        r->sample_count = sampled < SAMPLE ? sampled : SAMPLE;
        qsort(r->sample, r->sample_count, sizeof *r->sample, uuid_compare);
    }
    join_chains(&reading);
    good = shorten_parts(&reading) && sort_parts(&reading);
    r->dropped_bytes = atomic_load(&reading.dropped_bytes) + reading.single_dropped;
out:
    free(reading.parts);
    return good || no_memory(error);
}

void records_forget(struct records *r, size_t blocks)
{
    pool_reset(&r->pool, records_blocks(r, blocks));
    r->sorted = (struct trie_sorted){0};
}

void records_release(struct records *r)
{
    for (size_t i = 0; r->chunks != NULL && i < r->chunk_count; i++)
        free(r->chunks[i].errors);
    free(r->chunks);
    free(r->parts);
    memory_unmap(r->sample, SAMPLE * sizeof *r->sample);
    memory_unmap(r->chains, (size_t)r->threads * FAN_MAX * sizeof *r->chains);
    memory_unmap(r->buffers, (size_t)r->threads * TRIE_PART * sizeof *r->buffers);
    memory_unmap(r->order, r->blocks_max * sizeof *r->order);
    pool_release(&r->pool);
    *r = (struct records){0};
}
