// Reads lines of the data file with system calls, for data that may not be in memory.
//
// On a machine that virtualises page tables, mapping one page takes 30 µs, and reading the line
// with a system call 2.5 µs. So a line that is read once is not worth a mapped page.
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/preadv2.h"
#include "base/simd.h"
#include "data/dataset_internal.h"
#include "data/granule.h"
#include "data/lines.h"

_Static_assert((int)DATASET_READ_EXTRA > (int)GRANULE + (int)LINE_MIN + 2,
               "room for a granule, a key and two newlines");

bool dataset_fits_in_memory(const struct dataset *d, uint64_t memory)
{
    return (uint64_t)d->text.len + dataset_figures(d)->index_bytes <= memory;
}

bool dataset_index_stays(const struct dataset *d)
{
    const struct index *x = d->index;
    if (dataset_index_is_locked(d))
        return true;
    // While the index file is written, dataset_finish changes the fields below on another thread.
    // The image is in memory then, or in a temporary file.
    if (strcmp(atomic_load(&d->status), DATASET_IN_WRITING) == 0)
        return !x->in_writer_file;
    return x->file.image.ptr == NULL || x->file.copy.ptr != NULL;
}

bool dataset_can_ask(const struct dataset *d)
{
    return !atomic_load_explicit(&d->asks_in_vain, memory_order_relaxed);
}

uint64_t dataset_read_offset(const struct dataset *d, struct uuid id)
{
    uint64_t granules[TRIE_LEAF_MAX];
    unsigned count = trie_candidates(dataset_trie(d), id, granules);
    return count == 0 || count == TRIE_CANDIDATES_UNKNOWN ? DATASET_NO_OFFSET : granules[0];
}

// Returns the number of bytes from offset `at` on, at most `len`, before the first one that is
// known to be lost. A disk may take seconds to find again that it cannot read a page.
static size_t readable(const struct mapping *m, uint64_t at, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t good = 0;
    if (!mapping_is_damaged(m) || mapping_has(m, at, len))
        return len;
    while (good < len && mapping_has(m, at + good, 1))
        good += page - (at + good) % page;
    return good < len ? good : len;
}

// Reads once, from offset `at` of the file on. Without `wait`, reads only what is in memory.
// Returns what preadv2 returns.
static ssize_t read_once(int fd, const struct iovec *vector, off_t at, bool wait)
{
    ssize_t got = preadv2(fd, vector, 1, at, wait ? 0 : RWF_NOWAIT);
    // An emulator of system calls may lack preadv2. Then a read that may wait is still possible.
    if (got < 0 && errno == ENOSYS && wait)
        got = preadv(fd, vector, 1, at);
    return got;
}

// Reads bytes of the data file from offset `at` on into `buffer`. Returns their number, which is
// less than buffer.len at the end of the file and before bytes that are known to be lost. Without
// `wait` it is also less when the next page is not in memory; `*cold` is then set. Notes damage of
// the file.
static size_t read_bytes(const struct dataset *d, uint64_t at, bool wait, struct bytes buffer,
                         bool *cold)
{
    struct mapping *m = (struct mapping *)(uintptr_t)&d->source;
    atomic_bool *asks_in_vain = (atomic_bool *)(uintptr_t)&d->asks_in_vain;
    size_t done = 0;
    size_t wanted = readable(m, at, m->len - at < buffer.len ? m->len - at : buffer.len);
    while (done < wanted) {
        struct iovec vector = {buffer.ptr + done, wanted - done};
        ssize_t got = read_once(d->random_fd, &vector, (off_t)(m->at + at + done), wait);
        if (got > 0) {
            done += (size_t)got;
            // Reading less than asked without waiting means that the next page is not in memory.
            *cold = !wait && done < wanted;
            if (*cold)
                break;
        } else if (got < 0 && errno == EINTR) {
            continue;
        } else if (got < 0 && !wait) {
            *cold = true;
            if (errno == EOPNOTSUPP || errno == ENOSYS)
                atomic_store_explicit(asks_in_vain, true, memory_order_relaxed);
            break;
        } else {
            int reason = got < 0 ? errno : 0;
            struct bytes left = {buffer.ptr + done, wanted - done};
            size_t alone = reason == EIO ? mapping_read_alone(m, (size_t)at + done, left) : 0;
            done += alone;
            if (alone > 0)
                continue;
            // Without memory for the page, the read may succeed later.
            if (got < 0 && reason != ENOMEM)
                mapping_lose_page(m, (size_t)at + done);
            else if (got == 0)
                mapping_compare(m); // the file has become shorter
            break;
        }
    }
    return done;
}

// What the bytes of a granule and after it show.
enum line_bytes {
    LINE_BYTES_RECORD, // a record with its whole value
    LINE_BYTES_LONG,   // a record whose value does not fit into the buffer
    LINE_BYTES_OTHER,  // no record, or that of another key
    LINE_BYTES_LOST,   // they cannot be read, or the value has lost its end
    LINE_BYTES_COLD,
};

// Bytes of the data file.
struct piece {
    uint64_t from;  // offset of the first of them
    struct span is; // the bytes
    bool cold;      // the bytes after them may not be in memory
    bool full;      // there was no room for the bytes after them
};

// Examines the line that begins in the granule at offset `granule`, and sets `*line`. The piece
// begins with the byte before the granule, if there is one. `id` is the key that the line must
// have. NULL: it may have any key; the caller finds it before the value.
static enum line_bytes examine(const struct dataset *d, uint64_t granule, const struct uuid *id,
                               const struct piece *piece, struct dataset_line *line)
{
    const struct mapping *m = &d->source;
    size_t before = granule > 0;
    size_t got = piece->is.len;
    size_t at = before;
    if (got >= before + GRANULE)
        at += trie_start_in(dataset_trie(d), piece->is.ptr + before);
    if (got < at + LINE_MIN)
        return piece->cold ? LINE_BYTES_COLD : LINE_BYTES_LOST;
    const char *text = piece->is.ptr + at;
    if ((at > 0 && text[-1] != '\n') || text[UUID_TEXT_LEN] != ' ' ||
        (id != NULL && !SIMD(uuid_matches)(*id, text)))
        return LINE_BYTES_OTHER;
    const char *value = text + LINE_VALUE_AT;
    size_t left = got - at - LINE_VALUE_AT;
    const char *newline = memchr(value, '\n', left);
    bool at_end = piece->from + got == m->len;
    line->offset = piece->from + at;
    line->value = span_of(value, newline != NULL ? (size_t)(newline - value) : left);
    if (newline != NULL || (at_end && m->last != '\n'))
        return LINE_BYTES_RECORD;
    if (piece->cold)
        return LINE_BYTES_COLD;
    return !at_end && piece->full ? LINE_BYTES_LONG : LINE_BYTES_LOST;
}

// Reads the line that begins in the granule at offset `granule` into `buffer`, and examines it.
static enum line_bytes read_line(const struct dataset *d, uint64_t granule, const struct uuid *id,
                                 bool wait, struct bytes buffer, struct dataset_line *line)
{
    const struct mapping *m = &d->source;
    struct piece piece = {.from = granule - (granule > 0)};
    if (m->len < LINE_MIN || granule > m->len - LINE_MIN)
        return LINE_BYTES_LOST;
    // The line may begin at the granule's first byte. So the newline before it is read too.
    size_t got = read_bytes(d, piece.from, wait, buffer, &piece.cold);
    piece.is = span_of(buffer.ptr, got);
    piece.full = got == buffer.len;
    return examine(d, granule, id, &piece, line);
}

// Returns what is known about a key of which no candidate was found, when the index was read in
// `round`. The key is missing only if nobody has written to the index since.
static enum dataset_read confirm_absent(const struct dataset *d, struct uuid id, unsigned round,
                                        struct dataset_line *line)
{
    if (round == 0 || verifier_round_is_valid(&d->index->file.verifier, round))
        return DATASET_READ_ABSENT;
    if (!dataset_find_many(d, &id, 1, &line->offset))
        return DATASET_READ_UNREADABLE;
    return line->offset == DATASET_NO_OFFSET ? DATASET_READ_ABSENT : DATASET_READ_LONG;
}

// Returns what is known about a key on a damaged dataset, where bytes that count as lost must not
// be returned, and damage may hide the key. `found` is what reading has found.
static enum dataset_read doubt(const struct dataset *d, struct uuid id, enum dataset_read found)
{
    struct span value;
    enum dataset_presence presence = dataset_presence(d, id, &value);
    if (presence == DATASET_ABSENT)
        return DATASET_READ_ABSENT;
    bool agrees = found == DATASET_READ_FOUND || found == DATASET_READ_LONG;
    return presence == DATASET_PRESENT && agrees ? found : DATASET_READ_UNREADABLE;
}

enum dataset_read dataset_read_key(const struct dataset *d, struct uuid id, bool wait,
                                   struct bytes buffer, struct dataset_line *line)
{
    uint64_t granules[TRIE_LEAF_MAX];
    if (!wait && dataset_damage(d) != 0) // `doubt` reads the mapping
        return DATASET_READ_COLD;
    unsigned round = verifier_round(&d->index->file.verifier);
    unsigned count = trie_candidates(dataset_trie(d), id, granules);
    enum dataset_read result = DATASET_READ_ABSENT;
    if (count == TRIE_CANDIDATES_UNKNOWN) {
        result = DATASET_READ_UNREADABLE;
        count = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        enum line_bytes found = read_line(d, granules[i], &id, wait, buffer, line);
        if (found == LINE_BYTES_COLD)
            return DATASET_READ_COLD;
        if (found == LINE_BYTES_LOST)
            result = DATASET_READ_UNREADABLE;
        if (found == LINE_BYTES_RECORD || found == LINE_BYTES_LONG) {
            result = found == LINE_BYTES_RECORD ? DATASET_READ_FOUND : DATASET_READ_LONG;
            break;
        }
    }
    if (result == DATASET_READ_ABSENT)
        result = confirm_absent(d, id, round, line);
    return dataset_look(d) == 0 ? result : doubt(d, id, result);
}

bool dataset_read_mapped(const struct dataset *d, struct uuid id, size_t page,
                         struct dataset_line *line)
{
    uint64_t granules[TRIE_LEAF_MAX];
    const struct mapping *m = &d->source;
    if (dataset_damage(d) != 0 || trie_candidates(dataset_trie(d), id, granules) != 1)
        return false;
    uint64_t granule = granules[0];
    uint64_t from = granule - (granule > 0);
    uint64_t end = (granule / page + 1) * page;
    if (from / page != granule / page || m->len < LINE_MIN || granule > m->len - LINE_MIN)
        return false;
    size_t len = end < m->len ? (size_t)(end - from) : m->len - (size_t)from;
    struct piece piece = {from, span_of(d->text.ptr + from, len), true, false};
    bool found = examine(d, granule, &id, &piece, line) == LINE_BYTES_RECORD;
    return found && dataset_look(d) == 0;
}

uint64_t dataset_read_offset_of_rank(const struct dataset *d, uint64_t rank)
{
    uint64_t granule;
    const struct trie *trie = dataset_trie(d);
    return rank < trie->count && trie_granule_at(trie, rank, &granule) ? granule
                                                                       : DATASET_NO_OFFSET;
}

enum dataset_read dataset_read_rank(const struct dataset *d, uint64_t rank, bool wait,
                                    struct bytes buffer, struct uuid *id, struct dataset_line *line)
{
    uint64_t granule = dataset_read_offset_of_rank(d, rank);
    if (!wait && dataset_damage(d) != 0)
        return DATASET_READ_COLD;
    if (granule == DATASET_NO_OFFSET)
        return DATASET_READ_UNREADABLE;
    enum line_bytes found = read_line(d, granule, NULL, wait, buffer, line);
    if (found == LINE_BYTES_COLD)
        return DATASET_READ_COLD;
    bool record = found == LINE_BYTES_RECORD || found == LINE_BYTES_LONG;
    if (!record || !SIMD(uuid_parse)(line->value.ptr - LINE_VALUE_AT, id) ||
        (dataset_look(d) != 0 &&
         !mapping_has(&d->source, line->offset, LINE_MIN + line->value.len)))
        return DATASET_READ_UNREADABLE;
    return found == LINE_BYTES_RECORD ? DATASET_READ_FOUND : DATASET_READ_LONG;
}

enum { END_PIECE = 16 * 1024 }; // bytes that dataset_read_end reads at once, on its stack

enum dataset_read dataset_read_end(const struct dataset *d, uint64_t offset, struct span *value)
{
    char piece[END_PIECE];
    bool cold;
    const struct mapping *m = &d->source;
    uint64_t begin = offset + LINE_VALUE_AT;
    for (size_t done = 0; done < DATASET_END_STEP; done += sizeof piece) {
        uint64_t at = begin + value->len;
        size_t got = read_bytes(d, at, true, (struct bytes){piece, sizeof piece}, &cold);
        const char *newline = memchr(piece, '\n', got);
        bool at_end = at + got == m->len;
        value->len += newline != NULL ? (size_t)(newline - piece) : got;
        if (newline != NULL || at_end) {
            *value = span_of(d->text.ptr + begin, value->len);
            bool whole = newline != NULL || m->last != '\n';
            whole &= dataset_look(d) == 0 || mapping_has(m, offset, LINE_VALUE_AT + value->len);
            return whole ? DATASET_READ_FOUND : DATASET_READ_UNREADABLE;
        }
        if (got < sizeof piece)
            return DATASET_READ_UNREADABLE;
    }
    return DATASET_READ_LONG;
}

size_t dataset_read_bytes(const struct dataset *d, const char *from, bool wait, struct bytes buffer)
{
    bool cold;
    return read_bytes(d, (uint64_t)(from - d->text.ptr), wait, buffer, &cold);
}

// One call reads no more than the system reads ahead, 128 KiB by default, however much it is asked
// for.
enum { WILL_NEED_STEP = 128 * 1024 };

void dataset_will_need(const struct dataset *d, const char *from, size_t len)
{
    for (size_t at = 0; at < len; at += WILL_NEED_STEP) {
        size_t step = len - at < WILL_NEED_STEP ? len - at : WILL_NEED_STEP;
        (void)posix_fadvise(d->random_fd, (off_t)(from - d->text.ptr) + (off_t)at, (off_t)step,
                            POSIX_FADV_WILLNEED);
    }
}
