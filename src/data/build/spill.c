// Writes and reads records in a temporary file. Each write and each read is a large piece, and the
// pieces of a run are written in the order of the file. So even a hard disk has little to seek.
#include "data/build/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/process.h"

enum {
    LISTS_EACH = 64,       // lists that a thread writes in one piece of work
    PACE_BYTES = 64 << 20, // bytes in the page cache that a paced file may have
    CACHE_SHARE = 4,       // files up to this share of the available memory are not paced
    PAGE = 4096,           // bytes; the system frees disk space in units of at least this size
};

// ---- the file -----------------------------------------------------------------------------------

// Returns the bytes of a record of a data file of `data_bytes`.
static unsigned record_bytes(uint64_t data_bytes)
{
    unsigned bytes = 1;
    while (bytes < sizeof(uint64_t) && data_bytes >> (8 * bytes) != 0)
        bytes++;
    return (unsigned)sizeof(struct uuid) + bytes;
}

uint64_t spill_bytes(uint64_t data_bytes, uint64_t count)
{
    return count * record_bytes(data_bytes);
}

bool spill_open(struct spill *s, int fd, uint64_t data_bytes, uint64_t expected, unsigned threads,
                const char *folder)
{
    *s = (struct spill){
        .fd = fd,
        .threads = threads,
        .record_bytes = record_bytes(data_bytes),
        .paced = expected > process_memory_available() / CACHE_SHARE,
        .buffers = memory_map((size_t)threads * SPILL_BUFFER, SIZE_MAX),
    };
    snprintf(s->folder, sizeof s->folder, "%s", folder);
    if (s->buffers != NULL)
        return true;
    close(fd);
    return false;
}

void spill_close(struct spill *s)
{
    if (s->buffers != NULL)
        close(s->fd);
    memory_unmap(s->buffers, (size_t)s->threads * SPILL_BUFFER);
    *s = (struct spill){0};
}

void spilled_release(struct spilled *spilled)
{
    free(spilled->at);
    free(spilled->bounds);
    free(spilled->counts);
    *spilled = (struct spilled){0};
}

// ---- writing ------------------------------------------------------------------------------------

// A buffer of records that are written to consecutive offsets of the file.
struct buffer {
    struct spill *spill;
    char *bytes;
    size_t used;
    uint64_t at; // offset in the file for the first byte of the buffer
};

// Starts to write a range of the file to the disk. Waits for the range PACE_BYTES before it, and
// drops that from the page cache. So a small cgroup is never full of pages that the disk has yet to
// take. If one of these calls fails, the system writes the pages when it wants to.
static void pace(const struct spill *s, uint64_t at, uint64_t len)
{
    if (!s->paced || len == 0)
        return;
    (void)sync_file_range(s->fd, (off_t)at, (off_t)len, SYNC_FILE_RANGE_WRITE);
    if (at < PACE_BYTES)
        return;
    off_t before = (off_t)(at - PACE_BYTES);
    (void)sync_file_range(s->fd, before, (off_t)len,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER);
    (void)posix_fadvise(s->fd, before, (off_t)len, POSIX_FADV_DONTNEED);
}

static void write_buffer(struct buffer *b)
{
    struct spill *s = b->spill;
    if (b->used > 0 && atomic_load_explicit(&s->failed, memory_order_relaxed) == 0 &&
        !file_write(s->fd, b->bytes, b->used, b->at))
        atomic_store(&s->failed, errno != 0 ? errno : EIO);
    b->at += b->used;
    b->used = 0;
}

// Adds the records of a list to the buffer, and extends `bounds` to their keys.
static void add_list(struct buffer *b, const struct block_pool *pool, const struct block_list *list,
                     struct key_range *bounds)
{
    size_t each = b->spill->record_bytes;
    uint32_t block = list->first;
    for (bool more = list->count > 0; more; block = pool->next[block]) {
        const struct trie_record *record = block_pool_at(pool, block);
        if (SPILL_BUFFER - b->used < TRIE_BLOCK * each + sizeof(uint64_t))
            write_buffer(b);
        char *to = b->bytes + b->used;
        for (unsigned i = 0; i < pool->fill[block]; i++, record++, to += each) {
            uint64_t offset = htole64(record->offset);
            memcpy(to, &record->id, sizeof record->id);
            memcpy(to + sizeof record->id, &offset, sizeof offset);
            if (uuid_less(record->id, bounds->low))
                bounds->low = record->id;
            if (uuid_less(bounds->high, record->id))
                bounds->high = record->id;
        }
        b->used = (size_t)(to - b->bytes);
        more = block != list->last;
    }
}

uint64_t spill_run_write(const struct spill_run *run, unsigned worker, size_t job)
{
    struct spilled *to = run->to;
    size_t first = job * LISTS_EACH;
    size_t end = first + LISTS_EACH < to->list_count ? first + LISTS_EACH : to->list_count;
    uint64_t len = run->at[end] - run->at[first];
    struct buffer b = {run->spill, run->spill->buffers + (size_t)worker * SPILL_BUFFER, 0,
                       run->at[first]};
    for (size_t i = first; i < end; i++)
        for (unsigned way = 0; way < run->ways; way++)
            add_list(&b, run->pool, &run->lists[way * to->list_count + i], &to->bounds[i]);
    write_buffer(&b);
    pace(run->spill, run->at[first], len);
    return len / run->spill->record_bytes;
}

// Makes room in the tables for one more run. Returns false when memory is short.
static bool extend(struct spilled *to, size_t list_count)
{
    uint64_t *at = realloc(to->at, (to->run_count + 1) * (list_count + 1) * sizeof *at);
    if (at == NULL)
        return false;
    to->at = at;
    if (to->run_count > 0)
        return true;
    to->list_count = list_count;
    to->bounds = malloc(list_count * sizeof *to->bounds);
    to->counts = calloc(list_count, sizeof *to->counts);
    if (to->bounds == NULL || to->counts == NULL)
        return false;
    for (size_t i = 0; i < list_count; i++)
        to->bounds[i] = (struct key_range){all_keys.high, all_keys.low};
    return true;
}

bool spill_run_begin(struct spill_run *run, struct spill *s, struct spilled *to,
                     const struct block_pool *pool, const struct block_list *lists,
                     size_t list_count, unsigned ways)
{
    if (!extend(to, list_count))
        return false;
    uint64_t *at = to->at + to->run_count * (list_count + 1);
    at[0] = s->end;
    for (size_t i = 0; i < list_count; i++) {
        uint64_t count = 0;
        for (unsigned way = 0; way < ways; way++)
            count += lists[way * list_count + i].count;
        to->counts[i] += count;
        s->records += count;
        at[i + 1] = at[i] + count * s->record_bytes;
    }
    s->end = at[list_count];
    to->run_count++;
    *run = (struct spill_run){
        (list_count + LISTS_EACH - 1) / LISTS_EACH, s, to, at, pool, lists, ways};
    return true;
}

// ---- reading ------------------------------------------------------------------------------------

uint64_t spill_part_count(const struct spill_part *part)
{
    uint64_t count = 0;
    for (size_t i = part->first; i < part->end; i++)
        count += part->spilled->counts[i];
    return count;
}

struct key_range spill_part_bounds(const struct spill_part *part)
{
    size_t first = part->first;
    size_t last = part->end - 1;
    while (part->spilled->counts[first] == 0)
        first++;
    while (part->spilled->counts[last] == 0)
        last--;
    return (struct key_range){part->spilled->bounds[first].low, part->spilled->bounds[last].high};
}

struct spill_piece *spill_pieces(const struct spill *s, const struct spill_part *part,
                                 size_t *count)
{
    const struct spilled *spilled = part->spilled;
    size_t most = (SPILL_BUFFER - sizeof(uint64_t)) / s->record_bytes;
    size_t pieces_most = spill_part_count(part) / most + spilled->run_count;
    struct spill_piece *pieces = malloc(pieces_most * sizeof *pieces);
    *count = 0;
    for (size_t run = 0; pieces != NULL && run < spilled->run_count; run++) {
        const uint64_t *at = spilled->at + run * (spilled->list_count + 1);
        uint64_t left = (at[part->end] - at[part->first]) / s->record_bytes;
        for (uint64_t from = at[part->first]; left > 0;) {
            size_t records = left < most ? (size_t)left : most;
            pieces[(*count)++] = (struct spill_piece){from, records};
            from += records * s->record_bytes;
            left -= records;
        }
    }
    return pieces;
}

const char *spill_read(struct spill *s, unsigned worker, const struct spill_piece *piece)
{
    char *buffer = s->buffers + (size_t)worker * SPILL_BUFFER;
    size_t len = piece->count * s->record_bytes;
    if (file_read(s->fd, buffer, len, piece->at))
        return buffer;
    atomic_store(&s->unreadable, true);
    atomic_store(&s->failed, errno != 0 ? errno : EIO);
    return NULL;
}

void spill_free(const struct spill *s, const struct spill_part *part)
{
    const struct spilled *spilled = part->spilled;
    for (size_t run = 0; run < spilled->run_count; run++) {
        const uint64_t *at = spilled->at + run * (spilled->list_count + 1);
        uint64_t from = (at[part->first] + PAGE - 1) / PAGE * PAGE;
        uint64_t end = at[part->end] / PAGE * PAGE;
        if (from < end)
            (void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                            (off_t)(end - from));
    }
}

bool spill_has_failed(const struct spill *s, struct error *error)
{
    int reason = atomic_load(&s->failed);
    if (reason != 0)
        error_set(error, "cannot %s a temporary file in '%s': %s",
                  atomic_load(&s->unreadable) ? "read from" : "write to", s->folder,
                  strerror(reason));
    return reason != 0;
}
