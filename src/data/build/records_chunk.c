// Reads one chunk of the text, or one piece of the temporary file, and adds each record to the list
// for its key.
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checksum.h"
#include "data/build/records_internal.h"
#include "data/identity.h"
#include "data/uuid_text.h"

void records_choose_map(struct reading *reading)
{
    const struct records *r = reading->r;
    const struct records_pass *pass = reading->pass;
    unsigned __int128 low = key_number(pass->range.low);
    unsigned __int128 high = key_number(pass->range.high);
    unsigned __int128 spread_low = key_number(pass->spread.low);
    unsigned __int128 spread_high = key_number(pass->spread.high);
    size_t fan_max = r->pool.blocks / BLOCKS_PER_LIST / r->threads;
    // With this number of lists, and random keys, a list rarely becomes so long that it has to be
    // split. Each list covers 2^shift consecutive keys, so there may be up to twice as many lists.
    uint64_t wanted = pass->records_estimated / (r->part_records / 8 * 5 + 1) + 1;
    struct key_map *map = &reading->map;
    if (fan_max > RECORDS_FAN_MAX)
        fan_max = RECORDS_FAN_MAX;
    if (spread_low <= high && spread_high >= low && spread_low <= spread_high) {
        low = spread_low > low ? spread_low : low;
        high = spread_high < high ? spread_high : high;
    }
    *map = (struct key_map){.low = low, .fan = 1};
    // At a shift of 127, at most two lists cover all keys.
    while (map->shift <= 127) {
        unsigned __int128 steps = (high - map->low) >> map->shift;
        if (steps < fan_max && steps < wanted * 2) {
            map->fan = (unsigned)steps + 1;
            break;
        }
        map->shift++;
        map->low = low >> map->shift << map->shift;
    }
}

static inline unsigned list_of(const struct key_map *map, struct uuid id)
{
    uint64_t steps;
    if (map->shift >= 64) {
        uint64_t low = (uint64_t)(map->low >> 64);
        steps = id.hi > low ? (id.hi - low) >> (map->shift - 64) : 0;
    } else {
        unsigned __int128 number = key_number(id);
        unsigned __int128 far = number > map->low ? (number - map->low) >> map->shift : 0;
        steps = far < map->fan ? (uint64_t)far : map->fan;
    }
    return steps < map->fan ? (unsigned)steps : map->fan - 1;
}

// Sets the chunk's bounds. A line belongs to the chunk in which it begins. When no line begins in
// the chunk, `offset` is its end.
static void begin_chunk(struct reading *reading, struct chunk *c, size_t number)
{
    const struct span text = reading->r->text;
    uint64_t begin = number * reading->r->chunk_bytes;
    uint64_t left = text.len - begin;
    c->end = left > reading->r->chunk_bytes ? begin + reading->r->chunk_bytes : text.len;
    c->offset = begin;
    c->begun = true;
    if (begin > 0) {
        const char *newline = memchr(text.ptr + begin - 1, '\n', c->end - begin);
        c->offset = newline != NULL ? (uint64_t)(newline - text.ptr) + 1 : c->end;
    }
}

// Computes the checksums of the blocks of a chunk. The chunk is read from the disk in one piece
// first, if it is there.
static void sum_chunk(struct reading *reading, size_t number)
{
    struct records *r = reading->r;
    struct span chunk = checksum_block(r->text, r->chunk_bytes, number);
    uint64_t *sums = r->sums + number * r->chunk_bytes / IDENTITY_BLOCK;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    uintptr_t from = (uintptr_t)chunk.ptr & ~page;
    (void)madvise((void *)from, (uintptr_t)chunk.ptr + chunk.len - from, MADV_WILLNEED);
    for (uint64_t i = 0; i < checksum_block_count(chunk.len, IDENTITY_BLOCK); i++)
        sums[i] = checksum(checksum_block(chunk, IDENTITY_BLOCK, i));
}

static void store_error(struct chunk *c, const struct line_error *fault, uint64_t lines_before)
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
    if (at < RECORDS_SAMPLE)
        reading->r->sample[at] = id;
}

// Returns the first 8 characters of a key's text as a number. Greater keys have greater numbers.
// Upper and lower case give the same number. Other characters give any number, as no record begins
// with them.
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

// Returns the offset of the next line whose key may be in the range, for passes that do not check
// lines. `low` and `high` are the first digits of the range's ends.
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

static bool is_in(struct key_range range, struct uuid id)
{
    return !uuid_less(id, range.low) && !uuid_less(range.high, id);
}

// Reads the lines of the chunk from the position of `reader` on. Stops before a line for whose
// record no block is left.
static void read_lines(struct reading *reading, struct chunk *c, struct line_reader *reader,
                       struct block_list *lists, uint64_t lines_before)
{
    struct records *r = reading->r;
    const struct key_map map = reading->map;
    const struct key_range range = r->range;
    uint64_t low_digits = first_digits_of(range.low);
    uint64_t high_digits = first_digits_of(range.high);
    uint64_t until_sample = 0;
    uint64_t value_bytes = 0;
    struct record record;
    struct line_error fault;
    while (reader->offset < c->end) {
        if (!reading->first)
            reader->offset = skip_lines(r->text, reader->offset, c->end, low_digits, high_digits);
        if (reader->offset >= c->end)
            break;
        uint64_t offset = reader->offset;
        if (lines_next(reader, &record, &fault) == LINE_MALFORMED) {
            if (reading->first)
                store_error(c, &fault, lines_before);
            continue;
        }
        if (is_in(range, record.id) &&
            !block_list_add(&r->pool, &lists[list_of(&map, record.id)], record.id, record.offset)) {
            reader->offset = offset;
            reader->line--;
            atomic_store(&reading->full, true);
            break;
        }
        value_bytes += record.value.len;
        if (reading->first && until_sample-- == 0) {
            sample_key(reading, record.id);
            until_sample = reading->sample_every - 1;
        }
    }
    c->value_bytes += value_bytes;
}

void records_read_chunk(void *context, unsigned worker, size_t number)
{
    struct reading *reading = context;
    struct records *r = reading->r;
    struct chunk *c = &r->chunks[number];
    if (atomic_load_explicit(&reading->full, memory_order_relaxed))
        return;
    if (!c->begun && r->sums != NULL && reading->first)
        sum_chunk(reading, number);
    if (!c->begun)
        begin_chunk(reading, c, number);
    if (c->offset >= c->end)
        return;
    uint64_t begin = c->offset;
    // lines_next reports a byte order mark only in line 1. So the other chunks begin to count at
    // line 2, and `lines_before` is subtracted again later.
    uint64_t lines_before = number > 0;
    struct line_reader reader;
    lines_init(&reader, r->text);
    reader.offset = c->offset;
    reader.line += lines_before + c->lines;
    read_lines(reading, c, &reader, r->lists + (size_t)worker * reading->map.fan, lines_before);
    c->lines = reader.line - 1 - lines_before;
    c->offset = reader.offset;
    records_add_work(reading, worker, c->offset - begin);
}

void records_read_piece(void *context, unsigned worker, size_t number)
{
    struct reading *reading = context;
    struct records *r = reading->r;
    struct spill *spill = reading->spill;
    struct spill_piece *piece = &reading->pieces[number];
    const struct key_map map = reading->map;
    const struct key_range range = r->range;
    struct block_list *lists = r->lists + (size_t)worker * map.fan;
    if (piece->count == 0 || atomic_load_explicit(&reading->full, memory_order_relaxed))
        return;
    const char *from = spill_read(spill, worker, piece);
    size_t done = 0;
    for (; from != NULL && done < piece->count; done++, from += spill->record_bytes) {
        struct trie_record record = spill_record(spill, from);
        if (is_in(range, record.id) &&
            !block_list_add(&r->pool, &lists[list_of(&map, record.id)], record.id, record.offset)) {
            atomic_store(&reading->full, true);
            break;
        }
    }
    piece->at += done * spill->record_bytes;
    piece->count -= done;
    records_add_work(reading, worker, done * RECORDS_RETURN_WORK);
}

bool records_add_chunks(struct records *r)
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
