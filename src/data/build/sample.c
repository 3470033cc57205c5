// Takes a sample of keys, and estimates from it.
#include "data/build/sample.h"

#include <stdlib.h>

#include "base/parallel.h"
#include "data/lines.h"

enum {
    POSITIONS = 256,        // places of the text that are sampled
    LINES_EACH = 16,        // lines sampled at each place
    SEARCH_BYTES = 1 << 16, // bytes searched for the end of a line at each place
};

// State of taking the sample.
struct sampling {
    struct span text;
    struct sample *sample;
    uint64_t bytes; // bytes read
    uint64_t lines; // lines in these bytes
};

// Reads some lines after one position of the text.
static void sample_lines_at(void *context, unsigned worker, size_t position)
{
    struct sampling *k = context;
    struct sample *s = k->sample;
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    uint64_t at = k->text.len / POSITIONS * position;
    uint64_t left = k->text.len - at < SEARCH_BYTES ? k->text.len - at : SEARCH_BYTES;
    (void)worker;
    if (left == 0)
        return;
    const char *start = k->text.ptr + at;
    const char *newline = memchr(start, '\n', left);
    uint64_t skip = position == 0 ? 0 : newline != NULL ? (uint64_t)(newline - start) + 1 : left;
    if (skip == left)
        k->bytes += left; // all of these bytes are in one long value
    lines_init(&reader, span_of(start + skip, left - skip));
    for (unsigned i = 0; i < LINES_EACH; i++) {
        if ((result = lines_next(&reader, &record, &fault)) == LINE_END)
            break;
        k->lines++;
        if (result == LINE_RECORD)
            s->keys[s->count++] = record.id;
    }
    k->bytes += reader.offset;
}

// Each position may wait for the disk. So each is a job of its own, as this thread yields to the
// event loops between two jobs (base/yield.h).
bool sample_take(struct sample *s, struct span text)
{
    struct sampling sampling = {.text = text, .sample = s};
    *s = (struct sample){.keys = malloc(POSITIONS * LINES_EACH * sizeof *s->keys)};
    if (s->keys == NULL)
        return false;
    parallel_run(1, POSITIONS, sample_lines_at, &sampling);
    qsort(s->keys, s->count, sizeof *s->keys, uuid_compare);
    if (sampling.lines > 0)
        s->lines =
            (uint64_t)((double)text.len / (double)sampling.bytes * (double)sampling.lines) + 1;
    return true;
}

size_t sample_seek(const struct sample *s, struct uuid id)
{
    size_t lo = 0;
    size_t hi = s->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (uuid_less(s->keys[middle], id))
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

uint64_t sample_lines_between(const struct sample *s, size_t lo, size_t hi)
{
    return s->count == 0 ? s->lines
                         : (uint64_t)((double)(hi - lo) / (double)s->count * (double)s->lines);
}

struct uuid sample_choose_end(const struct sample *s, struct uuid low, uint64_t capacity)
{
    size_t from = sample_seek(s, low);
    if (sample_lines_between(s, from, s->count) <= capacity)
        return all_keys.high;
    size_t most = (size_t)((double)capacity / (double)s->lines * (double)s->count);
    struct uuid a = s->keys[from + most / 8 * 7];
    struct uuid b = s->keys[from + most];
    if (uuid_less(a, b))
        return key_range_round_end(a, b);
    // One key has many lines. The range ends before that key, or contains only that key.
    return uuid_less(low, a) ? key_before(a) : a;
}
