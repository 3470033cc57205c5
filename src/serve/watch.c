// A key is remembered as the length and a checksum of its value. A value may be as long as the
// file, so it is read piece by piece, and the next turn goes on where this one has stopped.
#include "serve/watch.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/lines.h"

enum {
    PIECE = 16 * 1024,     // bytes of a value that are read between two looks at the turn's work
    BYTES_PER_WORK = 1024, // of them, in the time of a lookup; from memory, not from the cache
    KEYS_MAX = 65536,      // that are remembered of one client, in 2 MiB
    KEYS_COMPARED = 64,    // up to so many, one that is named again is not noted again
};

#define ABSENT UINT64_MAX

// What a key was.
struct note {
    struct uuid id;
    uint64_t len; // of its value; ABSENT: there was none
    uint64_t sum; // of its value
};

struct watch {
    uint64_t view;   // the number of the view in which the first key was noted
    unsigned damage; // of its dataset at that time
    bool crowded;    // there were more keys than are remembered
    struct buf notes;
    // The value that is being read, from turn to turn.
    struct {
        bool checked; // what there is of it can be read
        bool begun;
        bool ended;
        uint64_t at; // where it begins in the text
        uint64_t len;
        uint64_t sum;
    } value;
};

static size_t note_count(const struct watch *w)
{
    return w->notes.len / sizeof(struct note);
}

static struct note note_at(const struct watch *w, size_t i)
{
    struct note note;
    memcpy(&note, w->notes.ptr + i * sizeof note, sizeof note);
    return note;
}

static bool is_noted(const struct watch *w, struct uuid id)
{
    size_t count = note_count(w);
    for (size_t i = 0; i < count && count <= KEYS_COMPARED; i++)
        if (uuid_equal(note_at(w, i).id, id))
            return true;
    return false;
}

// Adds what stands between `at` and the end of the line, or of the piece.
static void read_piece(struct watch *w, struct span text)
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
}

// Makes `note` what its key is now. False when the turn is over first.
static bool read_key(struct session *s, struct note *note)
{
    struct watch *w = s->watch;
    const struct dataset *d = session_dataset(s);
    if (!w->value.begun) {
        uint64_t place;
        if (!session_may_go_on(s))
            return false;
        bool known = dataset_find_many(d, &note->id, 1, &place);
        w->value.begun = true;
        w->value.ended = place == DATASET_NOWHERE;
        w->value.at = place + LINE_VALUE_AT;
        w->value.len = w->value.ended ? ABSENT : 0;
        w->value.sum = known ? 0 : random_number(); // like nothing that it was before
    }
    while (!w->value.ended) {
        if (!session_may_go_on(s))
            return false;
        uint64_t before = w->value.len;
        read_piece(w, dataset_text(d));
        session_charge(s, (w->value.len - before) / BYTES_PER_WORK);
    }
    note->len = w->value.len;
    note->sum = w->value.sum;
    w->value.begun = false;
    w->value.checked = false;
    return true;
}

// The cursor is the argument to go on with.
enum command_result watch_note(struct session *s, const struct resp_request *r)
{
    struct watch *w = s->watch;
    if (w == NULL) {
        w = s->watch = calloc(1, sizeof *w);
        if (w == NULL) {
            s->oom = true;
            return COMMAND_DONE;
        }
        w->view = session_view(s)->number;
        w->damage = dataset_damage(session_dataset(s));
    }
    s->reads = true;
    for (s->cursor = s->cursor > 0 ? s->cursor : 1; s->cursor < r->argc; s->cursor++) {
        struct span key = resp_arg(r, (uint32_t)s->cursor);
        struct note note = {.len = ABSENT};
        // What is no UUID is never a key.
        bool noted = key.len != UUID_TEXT_LEN || !uuid_parse(key.ptr, &note.id) || w->crowded ||
                     (!w->value.begun && is_noted(w, note.id));
        if (noted) {
            if (!session_may_go_on(s))
                return COMMAND_AGAIN;
            continue;
        }
        if (note_count(w) == KEYS_MAX) {
            w->crowded = true;
            continue;
        }
        if (!read_key(s, &note))
            return COMMAND_AGAIN;
        buf_append(&w->notes, span_of((const char *)&note, sizeof note));
        s->oom |= w->notes.oom;
    }
    return COMMAND_DONE;
}

// Whether a file has lost what there is to know of the key.
static bool is_unreadable(struct session *s, struct uuid id)
{
    struct span value = {NULL, 0};
    if (!s->careful)
        return false;
    bool unreadable = dataset_presence(session_dataset(s), id, &value) == DATASET_UNREADABLE;
    session_charge(s, value.len / BYTES_PER_WORK);
    return unreadable;
}

// The cursor counts the keys that are as they were.
enum command_result watch_compare(struct session *s, bool *changed)
{
    struct watch *w = s->watch;
    *changed = false;
    if (w == NULL ||
        (session_view(s)->number == w->view && dataset_damage(session_dataset(s)) == w->damage))
        return COMMAND_DONE;
    *changed = w->crowded;
    s->reads = true;
    for (; !*changed && s->cursor < note_count(w); s->cursor++) {
        struct note then = note_at(w, s->cursor);
        struct note now = then;
        if (!w->value.checked && is_unreadable(s, then.id)) {
            *changed = true;
            break;
        }
        w->value.checked = true;
        if (!read_key(s, &now))
            return COMMAND_AGAIN;
        *changed = now.len != then.len || now.sum != then.sum;
    }
    return COMMAND_DONE;
}

size_t watch_memory(const struct session *s)
{
    return s->watch != NULL ? sizeof *s->watch + s->watch->notes.cap : 0;
}

void watch_end(struct session *s)
{
    if (s->watch == NULL)
        return;
    buf_release(&s->watch->notes);
    free(s->watch);
    s->watch = NULL;
}
