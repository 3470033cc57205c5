// A note keeps the length and a checksum of a value. A value may be as long as the file, so it is
// read piece by piece, and each turn continues where the last turn has stopped.
#include "serve/watch.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/lines.h"
#include "data/uuid_text.h"

enum {
    PIECE = 16 * 1024,  // bytes of a value that one call reads
    KEYS_MAX = 65536,   // most notes for one client, 2 MiB
    KEYS_COMPARED = 64, // most notes that are searched for a repeated key
};

struct watch *watch_new(uint64_t snapshot, unsigned damage)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->snapshot = snapshot;
    w->damage = damage;
    return w;
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    buf_release(&w->notes);
    free(w);
}

size_t watch_memory(const struct watch *w)
{
    return w != NULL ? sizeof *w + w->notes.cap : 0;
}

size_t watch_count(const struct watch *w)
{
    return w->notes.len / sizeof(struct watch_note);
}

struct watch_note watch_note_at(const struct watch *w, size_t i)
{
    struct watch_note note;
    memcpy(&note, w->notes.ptr + i * sizeof note, sizeof note);
    return note;
}

bool watch_is_noted(const struct watch *w, struct uuid id)
{
    size_t count = watch_count(w);
    for (size_t i = 0; i < count && count <= KEYS_COMPARED; i++)
        if (uuid_equal(watch_note_at(w, i).id, id))
            return true;
    return false;
}

bool watch_is_full(struct watch *w)
{
    bool full = watch_count(w) == KEYS_MAX;
    w->overflowed |= full;
    return full;
}

bool watch_add(struct watch *w, const struct watch_note *note)
{
    buf_append(&w->notes, span_of((const char *)note, sizeof *note));
    return !w->notes.oom;
}

static void look_up(struct watch *w, const struct dataset *d, struct uuid id)
{
    uint64_t offset;
    bool known = dataset_find_many(d, &id, 1, &offset);
    w->value.begun = true;
    w->value.ended = offset == DATASET_NO_OFFSET;
    w->value.at = offset + LINE_VALUE_AT;
    w->value.len = w->value.ended ? WATCH_ABSENT : 0;
    // When damage of the index may hide the key, its state is not known. A random number, which
    // almost surely differs from the checksum in the note, makes EXEC see a change.
    w->value.sum = known ? 0 : random_number();
}

// Reads the next piece of the value, up to the end of the line. Adds the length of the piece to
// `len`, includes the piece in the checksum `sum`, and returns its length in bytes.
static uint64_t read_piece(struct watch *w, struct span text)
{
    uint64_t at = w->value.at + w->value.len;
    size_t left = at < text.len ? text.len - (size_t)at : 0;
    size_t len = left < PIECE ? left : PIECE;
    const char *from = text.ptr + (len > 0 ? at : 0);
    const char *newline = len > 0 ? memchr(from, '\n', len) : NULL;
    w->value.ended = newline != NULL || len < PIECE;
    len = newline != NULL ? (size_t)(newline - from) : len;
    uint64_t sums[] = {w->value.sum, checksum(span_of(from, len))};
    w->value.sum = w->value.len > 0 ? checksum(span_of((const char *)sums, sizeof sums)) : sums[1];
    w->value.len += len;
    return len;
}

bool watch_read(struct watch *w, const struct dataset *d, struct watch_note *note, uint64_t *read)
{
    *read = 0;
    if (!w->value.begun)
        look_up(w, d, note->id);
    else
        *read = read_piece(w, dataset_text(d));
    if (!w->value.ended)
        return false;
    note->len = w->value.len;
    note->sum = w->value.sum;
    w->value.begun = false;
    w->value.checked = false;
    return true;
}
