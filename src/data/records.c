// Reading in parallel: the text is cut at newlines into chunks, each read into records of its own;
// these are scattered by their leading bits into partitions of one array, and the partitions are
// sorted. A file in key order needs no sorting: its records are only put behind each other.
#include "data/records.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/parallel.h"
#include "data/trie_image.h"

enum {
    CHUNK_BYTES = 4 * 1024 * 1024, // its records, some 1 MiB, stay in a core's cache
    PARTITION_BITS = 11,      // at most 2048 partitions: as many write streams as a core can hold
    PARTITION_MEAN = 1 << 11, // records in one: small enough to be sorted within the cache
};

struct chunk {
    uint64_t begin;
    uint64_t end;
    struct trie_record *items;
    size_t count;
    size_t capacity;
    uint64_t lines;
    uint64_t malformed;
    uint64_t value_bytes;
    struct line_error errors[RECORDS_ERRORS_MAX];
    struct uuid differing; // bits in which its keys differ from its first one
    bool ordered;          // its keys rise
    bool failed;           // memory ran short
    size_t *places;        // where its next record of each partition goes
};

struct reading {
    struct span text;
    struct chunk *chunks;
    size_t chunk_count;
    struct trie_record *items; // all records, by partition
    size_t *ends;              // of each partition
    size_t *kept;              // distinct keys in each partition
    size_t partitions;
    unsigned skip;
    unsigned bits;
};

// Anonymous memory, so that what is freed goes back to the system at once. NULL when it is short.
static void *map_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

static void chunk_free_items(struct chunk *c)
{
    if (c->items != NULL)
        munmap(c->items, c->capacity * sizeof *c->items);
    c->items = NULL;
}

// Room for every record that a chunk of its length can hold; what is never used never takes
// memory.
static bool chunk_allocate(struct chunk *c)
{
    c->capacity = (c->end - c->begin) / (LINE_MIN + 1) + 1;
    c->items = map_memory(c->capacity * sizeof *c->items);
    return c->items != NULL;
}

static void chunk_add(struct chunk *c, const struct record *record)
{
    assert(c->count < c->capacity);
    if (c->count > 0) {
        c->ordered &= uuid_less(c->items[c->count - 1].id, record->id);
        c->differing.hi |= c->items[0].id.hi ^ record->id.hi;
        c->differing.lo |= c->items[0].id.lo ^ record->id.lo;
    }
    c->value_bytes += record->value.len;
    c->items[c->count++] = (struct trie_record){record->id, record->offset};
}

static void read_chunk(void *context, size_t part)
{
    struct reading *reading = context;
    struct chunk *c = &reading->chunks[part];
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    lines_init(&reader, span_of(reading->text.ptr, c->end));
    reader.offset = c->begin;
    reader.line += part > 0; // so that only the first chunk has a first line
    uint64_t first_line = reader.line;
    c->ordered = true;
    c->failed = !chunk_allocate(c);
    while (!c->failed && (result = lines_next(&reader, &record, &fault)) != LINE_END) {
        if (result == LINE_RECORD) {
            chunk_add(c, &record);
        } else {
            if (c->malformed < RECORDS_ERRORS_MAX) {
                fault.line -= first_line - 1;
                c->errors[c->malformed] = fault;
            }
            c->malformed++;
        }
    }
    c->lines = reader.line - first_line;
}

// Cuts the text behind newlines, about every `chunk_bytes`.
static bool cut(struct reading *reading, size_t chunk_bytes)
{
    size_t most = reading->text.len / chunk_bytes + 1;
    reading->chunks = calloc(most, sizeof *reading->chunks);
    if (reading->chunks == NULL)
        return false;
    for (uint64_t begin = 0; begin < reading->text.len;) {
        size_t left = reading->text.len - begin;
        const char *newline =
            left <= chunk_bytes
                ? NULL
                : memchr(reading->text.ptr + begin + chunk_bytes - 1, '\n', left - chunk_bytes + 1);
        uint64_t end =
            newline != NULL ? (uint64_t)(newline - reading->text.ptr) + 1 : reading->text.len;
        assert(reading->chunk_count < most);
        struct chunk *c = &reading->chunks[reading->chunk_count++];
        c->begin = begin;
        c->end = end;
        begin = end;
    }
    return true;
}

// Adds up what the chunks found. False when one ran out of memory.
static bool sum_up(const struct reading *reading, struct records *r)
{
    for (size_t i = 0; i < reading->chunk_count; i++) {
        const struct chunk *c = &reading->chunks[i];
        if (c->failed)
            return false;
        for (uint64_t e = 0; e < c->malformed && e < RECORDS_ERRORS_MAX; e++) {
            if (r->malformed + e >= RECORDS_ERRORS_MAX)
                break;
            r->errors[r->malformed + e] = c->errors[e];
            r->errors[r->malformed + e].line += r->lines;
        }
        r->total += c->count;
        r->lines += c->lines;
        r->malformed += c->malformed;
        r->value_bytes += c->value_bytes;
    }
    return true;
}

// Chooses by which bits to partition: those behind the bits that all keys share, or none when the
// records are in order already.
static void choose_partitions(struct reading *reading, size_t total)
{
    const struct trie_record *first = NULL;
    const struct trie_record *last = NULL;
    struct uuid differing = {0, 0};
    bool ordered = true;
    for (size_t i = 0; i < reading->chunk_count; i++) {
        const struct chunk *c = &reading->chunks[i];
        if (c->count == 0)
            continue;
        if (first == NULL)
            first = &c->items[0];
        ordered &= c->ordered && (last == NULL || uuid_less(last->id, c->items[0].id));
        last = &c->items[c->count - 1];
        differing.hi |= c->differing.hi | (first->id.hi ^ c->items[0].id.hi);
        differing.lo |= c->differing.lo | (first->id.lo ^ c->items[0].id.lo);
    }
    if (!ordered && (differing.hi != 0 || differing.lo != 0)) {
        reading->skip = differing.hi != 0 ? (unsigned)__builtin_clzll(differing.hi)
                                          : 64 + (unsigned)__builtin_clzll(differing.lo);
        while (reading->bits < PARTITION_BITS && total >> reading->bits > PARTITION_MEAN)
            reading->bits++;
    }
    reading->partitions = (size_t)1 << reading->bits;
}

static size_t partition_of(const struct reading *reading, struct uuid id)
{
    return reading->bits == 0 ? 0 : uuid_bits(id, reading->skip, reading->bits);
}

static void count_partitions(void *context, size_t part)
{
    struct reading *reading = context;
    struct chunk *c = &reading->chunks[part];
    c->places = calloc(reading->partitions, sizeof *c->places);
    c->failed = c->places == NULL;
    for (size_t i = 0; !c->failed && i < c->count; i++)
        c->places[partition_of(reading, c->items[i].id)]++;
}

// Turns each chunk's counts into places: partition by partition, chunk by chunk.
static bool assign_places(struct reading *reading)
{
    size_t sum = 0;
    for (size_t i = 0; i < reading->chunk_count; i++)
        if (reading->chunks[i].failed)
            return false;
    for (size_t p = 0; p < reading->partitions; p++) {
        for (size_t i = 0; i < reading->chunk_count; i++) {
            size_t count = reading->chunks[i].places[p];
            reading->chunks[i].places[p] = sum;
            sum += count;
        }
        reading->ends[p] = sum;
    }
    return true;
}

static void scatter_chunk(void *context, size_t part)
{
    struct reading *reading = context;
    struct chunk *c = &reading->chunks[part];
    for (size_t i = 0; i < c->count; i++)
        reading->items[c->places[partition_of(reading, c->items[i].id)]++] = c->items[i];
    chunk_free_items(c);
}

static void sort_partition(void *context, size_t part)
{
    struct reading *reading = context;
    size_t begin = part > 0 ? reading->ends[part - 1] : 0;
    reading->kept[part] = trie_sort(reading->items + begin, reading->ends[part] - begin);
}

// Moves the kept records of all partitions together; those dropped end up behind them.
static size_t close_gaps(struct reading *reading)
{
    size_t kept = 0;
    for (size_t p = 0; p < reading->partitions; p++) {
        size_t begin = p > 0 ? reading->ends[p - 1] : 0;
        for (size_t i = 0; kept < begin && i < reading->kept[p]; i++) {
            struct trie_record dropped = reading->items[kept + i];
            reading->items[kept + i] = reading->items[begin + i];
            reading->items[begin + i] = dropped;
        }
        kept += reading->kept[p];
    }
    return kept;
}

bool records_read(struct records *r, struct span text, struct records_division division,
                  struct error *error)
{
    struct reading reading = {.text = text};
    unsigned threads = division.threads != 0 ? division.threads : parallel_threads();
    bool good = false;
    *r = (struct records){0};
    if (!cut(&reading, division.chunk_bytes != 0 ? division.chunk_bytes : CHUNK_BYTES))
        goto out;
    parallel_run(threads, reading.chunk_count, read_chunk, &reading);
    if (!sum_up(&reading, r))
        goto out;
    choose_partitions(&reading, r->total);
    reading.ends = calloc(reading.partitions, sizeof *reading.ends);
    reading.kept = calloc(reading.partitions, sizeof *reading.kept);
    r->items = r->total > 0 ? map_memory(r->total * sizeof *r->items) : NULL;
    reading.items = r->items;
    if (reading.ends == NULL || reading.kept == NULL || (r->total > 0 && r->items == NULL))
        goto out;
    parallel_run(threads, reading.chunk_count, count_partitions, &reading);
    if (!assign_places(&reading))
        goto out;
    parallel_run(threads, reading.chunk_count, scatter_chunk, &reading);
    parallel_run(threads, reading.partitions, sort_partition, &reading);
    r->kept = close_gaps(&reading);
    for (size_t i = r->kept; i < r->total; i++)
        r->value_bytes -= line_value(text, r->items[i].offset).len;
    good = true;
out:
    for (size_t i = 0; i < reading.chunk_count; i++) {
        chunk_free_items(&reading.chunks[i]);
        free(reading.chunks[i].places);
    }
    free(reading.chunks);
    free(reading.ends);
    free(reading.kept);
    if (!good) {
        error_set(error, "no memory to sort %zu records: %s", r->total, strerror(ENOMEM));
        records_release(r);
    }
    return good;
}

void records_release(struct records *r)
{
    if (r->items != NULL)
        munmap(r->items, r->total * sizeof *r->items);
    *r = (struct records){0};
}
