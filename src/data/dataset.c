// Reads a dataset: finds keys in the trie, finds the end of their values, and detects damage of the
// files.
#include "data/dataset.h"

#include <stdio.h>

#include "base/clock.h"
#include "data/dataset_internal.h"
#include "data/granule.h"
#include "data/lines.h"
#include "data/uuid_text.h"

void dataset_close(struct dataset *d)
{
    if (d != NULL)
        ref_drop(&d->ref);
}

struct ref *dataset_ref(struct dataset *d)
{
    return &d->ref;
}

// ---- finding ------------------------------------------------------------------------------------

enum { SEARCHES_MAX = 8 }; // most searches for a key while somebody keeps writing to the index

_Static_assert(DATASET_NO_OFFSET == TRIE_NONE, "offsets of the trie are returned unchanged");

// The verifier changes its own state, even when the dataset is const for the caller.
static struct verifier *verifier_of(const struct dataset *d)
{
    return (struct verifier *)(uintptr_t)&d->index->file.verifier;
}

// Searches again for the keys that were not found, because the index was written to or is damaged.
// Returns false when some of them may still exist.
static __attribute__((noinline)) bool find_again(const struct dataset *d, const struct uuid *ids,
                                                 size_t count, uint64_t *offsets)
{
    struct verifier *verifier = verifier_of(d);
    bool stands = false;
    bool all_known = true;
    for (unsigned searches = 0; searches < SEARCHES_MAX && !stands; searches++) {
        unsigned round = verifier_refresh(verifier);
        all_known = true;
        for (size_t i = 0; i < count; i++)
            if (offsets[i] >= TRIE_UNKNOWN && !trie_find(dataset_trie(d), ids[i], &offsets[i]))
                all_known = all_known && offsets[i] == TRIE_NONE;
        stands = verifier_round_is_valid(verifier, round);
    }
    for (size_t i = 0; i < count; i++)
        if (offsets[i] == TRIE_UNKNOWN)
            offsets[i] = DATASET_NO_OFFSET;
    return stands && all_known;
}

bool dataset_find_many(const struct dataset *d, const struct uuid *ids, size_t count,
                       uint64_t *offsets)
{
    const struct verifier *verifier = verifier_of(d);
    unsigned round = verifier_round(verifier);
    bool missed = false;
    bool unknown = false;
    trie_find_many(dataset_trie(d), ids, count, offsets);
    if (round == 0) // the index is in our own memory, so nobody else can write to it
        return true;
    for (size_t i = 0; i < count; i++) {
        missed |= offsets[i] == TRIE_NONE;
        unknown |= offsets[i] == TRIE_UNKNOWN;
    }
    // A key is reported as missing only if nobody has written to the index.
    if (!missed && !unknown)
        return true;
    return (!unknown && verifier_round_is_valid(verifier, round)) ||
           find_again(d, ids, count, offsets);
}

bool dataset_get(const struct dataset *d, struct uuid id, struct span *value)
{
    uint64_t offset;
    if (!trie_find(dataset_trie(d), id, &offset))
        return false;
    *value = dataset_value(d, offset);
    return value->ptr != NULL;
}

unsigned dataset_index_round(const struct dataset *d)
{
    return verifier_refresh(verifier_of(d));
}

bool dataset_index_round_is_valid(const struct dataset *d, unsigned round)
{
    return !dataset_index_is_damaged(d) && verifier_round_is_valid(verifier_of(d), round);
}

bool dataset_index_is_damaged(const struct dataset *d)
{
    return atomic_load(&verifier_of(d)->bad_blocks) > 0;
}

// ---- values -------------------------------------------------------------------------------------

// The mapping stores damage that it finds, even when the dataset is const for the caller.
static struct mapping *source_of(const struct dataset *d)
{
    return (struct mapping *)(uintptr_t)&d->source;
}

// Searches the next `most` bytes for the end of `value`, which has no newline in its first
// value->len bytes. When the end is not there, adds `most` to value->len and returns false.
// Otherwise returns true: `value` is complete, or its `ptr` is NULL because a part of it is lost.
static bool search_end(const struct dataset *d, struct span *value, size_t most)
{
    struct mapping *m = source_of(d);
    (void)mapping_look(m);
    size_t whole = atomic_load(&m->whole);
    size_t begin = (size_t)(value->ptr - d->text.ptr);
    size_t at = begin + value->len;
    size_t left = at < whole ? whole - at : 0;
    size_t part = left < most ? left : most;
    const char *newline = memchr(d->text.ptr + at, '\n', part);
    if (newline == NULL && part < left) {
        value->len += part;
        return false;
    }
    size_t end = newline != NULL ? (size_t)(newline - d->text.ptr) : whole;
    // If the text originally ended in a newline, a line without one has lost its end.
    bool ends = newline != NULL || (at <= whole && whole == m->len && m->last != '\n');
    size_t offset = begin - LINE_VALUE_AT;
    if (ends && mapping_has(m, offset, end + (end < whole) - offset))
        value->len = end - begin;
    else
        *value = span_of(NULL, 0);
    return true;
}

// Returns the first part of the value of a special line: one that may have lost bytes, the last
// line if it has no newline, or a line with a long value.
__attribute__((noinline)) static struct span doubtful_value(const struct dataset *d,
                                                            uint64_t offset)
{
    struct mapping *m = source_of(d);
    (void)mapping_look(m);
    size_t whole = atomic_load(&m->whole);
    if (whole < LINE_VALUE_AT || offset > whole - LINE_VALUE_AT ||
        d->text.ptr[offset + UUID_TEXT_LEN] != ' ')
        return span_of(NULL, 0);
    struct span value = span_of(d->text.ptr + offset + LINE_VALUE_AT, 0);
    (void)search_end(d, &value, DATASET_PART);
    return value;
}

struct span dataset_value_part(const struct dataset *d, uint64_t offset)
{
    const char *value = d->text.ptr + offset + LINE_VALUE_AT;
    size_t limit = atomic_load_explicit(&d->source.limit, memory_order_relaxed);
    // The space is checked, because a line that was overwritten by zeros has no newline.
    if (offset + LINE_VALUE_AT < limit && value[-1] == ' ') {
        // memchr reads little after the newline. newline_find_sse2 compares 64 bytes at a time, so
        // it would often fetch one more cache line.
        size_t left = limit - offset - LINE_VALUE_AT;
        const char *end = memchr(value, '\n', left < DATASET_PART ? left : DATASET_PART);
        if (end != NULL)
            return span_of(value, (size_t)(end - value));
    }
    return doubtful_value(d, offset);
}

bool dataset_value_more(const struct dataset *d, struct span *value)
{
    return search_end(d, value, DATASET_PART);
}

struct span dataset_value(const struct dataset *d, uint64_t offset)
{
    struct span value = dataset_value_part(d, offset);
    if (value.len >= DATASET_PART)
        (void)search_end(d, &value, SIZE_MAX);
    return value;
}

void dataset_get_many(const struct dataset *d, const struct uuid *ids, size_t count,
                      struct span *values)
{
    uint64_t offsets[TRIE_GROUP];
    for (size_t done = 0; done < count; done += TRIE_GROUP) {
        size_t group = count - done < TRIE_GROUP ? count - done : TRIE_GROUP;
        trie_find_many(dataset_trie(d), ids + done, group, offsets);
        for (size_t i = 0; i < group; i++)
            values[done + i] =
                offsets[i] < TRIE_UNKNOWN ? dataset_value(d, offsets[i]) : span_of(NULL, 0);
    }
}

uint64_t dataset_seek(const struct dataset *d, struct uuid id)
{
    return trie_seek(dataset_trie(d), id);
}

bool dataset_offset_at(const struct dataset *d, uint64_t rank, struct uuid *id, uint64_t *offset)
{
    const struct trie *trie = dataset_trie(d);
    return rank < trie->count && trie_at(trie, rank, offset) &&
           uuid_parse(d->text.ptr + *offset, id);
}

bool dataset_at(const struct dataset *d, uint64_t rank, struct uuid *id, struct span *value)
{
    uint64_t offset;
    if (!dataset_offset_at(d, rank, id, &offset))
        return false;
    if (value != NULL)
        *value = dataset_value(d, offset);
    return value == NULL || value->ptr != NULL;
}

// ---- damage -------------------------------------------------------------------------------------

static struct mapping *index_source_of(const struct dataset *d)
{
    return (struct mapping *)(uintptr_t)&d->index->file.source;
}

unsigned dataset_damage(const struct dataset *d)
{
    return mapping_faults(&d->source) + mapping_faults(index_source_of(d));
}

unsigned dataset_replacements(const struct dataset *d)
{
    return mapping_replacements(&d->source) + mapping_replacements(index_source_of(d));
}

unsigned dataset_look(const struct dataset *d)
{
    return mapping_look(source_of(d)) + mapping_look(index_source_of(d));
}

bool dataset_is_sound(const struct dataset *d)
{
    const struct verifier *verifier = verifier_of(d);
    unsigned round = verifier_round(verifier);
    return dataset_look(d) == 0 && !dataset_index_is_damaged(d) && round <= 1 &&
           verifier_round_is_valid(verifier, round);
}

// Sets `*offset` to the place in the granule where a record may begin. Returns false when the
// granule, the key there or the byte before the key is lost. Reads nothing that is lost.
static bool find_readable_line(const struct dataset *d, uint64_t granule, uint64_t *offset)
{
    if (!mapping_has(&d->source, granule, GRANULE) ||
        !trie_line_in(dataset_trie(d), granule, offset))
        return false;
    uint64_t before = *offset - (*offset > 0); // the newline before the line is read too
    return mapping_has(&d->source, before, *offset + LINE_MIN - before);
}

enum dataset_presence dataset_presence(const struct dataset *d, struct uuid id, struct span *value)
{
    uint64_t granules[TRIE_LEAF_MAX];
    const struct trie *trie = dataset_trie(d);
    (void)dataset_look(d);
    bool doubt = mapping_is_damaged(index_source_of(d));
    unsigned count = trie_candidates(trie, id, granules);
    if (count == TRIE_CANDIDATES_UNKNOWN) {
        doubt = true;
        count = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t offset;
        if (!find_readable_line(d, granules[i], &offset)) {
            doubt = true;
        } else if (trie_is_line_of(trie, offset, id)) {
            *value = dataset_value_part(d, offset);
            return value->ptr != NULL ? DATASET_PRESENT : DATASET_UNREADABLE;
        } else if (!trie_may_be_at(trie, offset, id)) {
            doubt = true; // the line was overwritten
        }
    }
    return doubt ? DATASET_UNREADABLE : DATASET_ABSENT;
}

// Bits of `reported` in struct dataset.
enum { REPORTED_DAMAGE = 1, REPORTED_OVERWRITTEN = 2, REPORTED_APPENDED = 4 };

// Sets the bit `what`. Returns whether the bit was not set before, and there is a function `notice`
// to call.
static bool is_first_report(struct dataset *d, unsigned what)
{
    return (atomic_fetch_or(&d->reported, what) & what) == 0 && d->settings.notice != NULL;
}

static void report_damage(struct dataset *d)
{
    size_t whole = atomic_load(&d->source.whole);
    if (atomic_load(&d->source.lost_pages) == 0)
        dataset_notice(
            d, true,
            "'%s' was truncated or overwritten in place: the data from byte %zu on is lost, and "
            "requests for it answer errors; rename a complete file to this path and reload it",
            d->path, whole);
    else
        dataset_notice(
            d, true,
            "a part of '%s' cannot be read, and requests for it answer errors; rename a complete "
            "file to this path and reload it",
            d->path);
}

// Sets `d->change` if the data file was appended to or overwritten. A truncated file may count as
// overwritten here, so callers look at its damage first. If only the times have changed, the file
// may just have been touched. So if there is a checksum of the content, `d->change` stays the same,
// and dataset_recheck_content decides later.
static void check_change(struct dataset *d)
{
    struct stat status;
    if (fstat(d->source.fd, &status) != 0)
        return;
    struct identity now = identity_of_file(&status);
    if (now.bytes > d->opened.bytes)
        atomic_store(&d->change, CHANGE_APPENDED);
    else if (now.modified_ns != atomic_load(&d->known_modified_ns) &&
             !atomic_load(&d->has_checksum))
        atomic_store(&d->change, CHANGE_OVERWRITTEN);
}

bool dataset_may_be_spoiled(const struct dataset *d)
{
    const struct index_file *file = &d->index->file;
    return !mapping_is_damaged(&d->source) && clock_monotonic_ns() >= atomic_load(&d->retry_ns) &&
           (atomic_load(&d->is_wrong) || mapping_is_damaged(&file->source) ||
            dataset_index_is_damaged(d) || verifier_is_stale(&file->verifier));
}

void dataset_check(struct dataset *d)
{
    if (!mapping_is_guarded(&d->source))
        return;
    mapping_compare(source_of(d));
    if (mapping_is_guarded(index_source_of(d)))
        mapping_compare(index_source_of(d));
    check_change(d);
    unsigned change = atomic_load(&d->change);
    if (mapping_is_damaged(&d->source)) {
        if (is_first_report(d, REPORTED_DAMAGE))
            report_damage(d);
    } else if (change == CHANGE_OVERWRITTEN && is_first_report(d, REPORTED_OVERWRITTEN)) {
        dataset_notice(
            d, true,
            "'%s' was overwritten in place: values served from it may be wrong; rename a "
            "complete file to this path and reload it",
            d->path);
    } else if (change == CHANGE_APPENDED && is_first_report(d, REPORTED_APPENDED)) {
        dataset_notice(
            d, true, "'%s' was appended to: the appended lines are not served until it is reloaded",
            d->path);
    }
}

const char *dataset_status(const struct dataset *d)
{
    static const char *const changes[] = {"ok", "appended", "overwritten"};
    if (atomic_load(&d->source.lost_pages) > 0)
        return "unreadable";
    return mapping_is_damaged(&d->source) ? "truncated" : changes[atomic_load(&d->change)];
}

bool dataset_last_line_is_unterminated(const struct dataset *d)
{
    return d->text.len > 0 && d->source.last != '\n';
}

const struct dataset_figures *dataset_figures(const struct dataset *d)
{
    return &d->index->figures;
}

const char *dataset_path(const struct dataset *d)
{
    return d->path;
}

struct span dataset_text(const struct dataset *d)
{
    return d->text;
}

const struct trie *dataset_trie(const struct dataset *d)
{
    return &d->index->trie;
}

const char *dataset_index_status(const struct dataset *d)
{
    bool damaged = atomic_load(&d->is_wrong) || mapping_is_damaged(index_source_of(d)) ||
                   dataset_index_is_damaged(d);
    return damaged ? DATASET_DAMAGED : atomic_load(&d->status);
}

bool dataset_index_is_mapped(const struct dataset *d)
{
    return d->index->from_file;
}

const char *dataset_index_path(const struct dataset *d)
{
    return d->index_path != NULL ? d->index_path : "";
}
