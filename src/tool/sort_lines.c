// The text is read to the beginning of one area of memory. Its records will need SORT_TEXT_LINE
// bytes for each line. So lines are counted while they are read, and reading stops when text and
// records together fill the memory.
//
// A line of which more than a quarter of the memory was read, without its end, becomes a run of its
// own. It is copied to the temporary file piece by piece. So no line is too long.
#include "tool/sort_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/memory.h"
#include "tool/line_input.h"
#include "tool/line_runs.h"
#include "tool/sort_text.h"
#include "tool/tool.h"

#define MIB (UINT64_C(1) << 20)

enum {
    HUGE_PAGE = 2 * 1024 * 1024,
    HUGE_FROM = 64 * 1024 * 1024, // bytes; a smaller area has no huge pages
    ROUND = 8 * 1024 * 1024,      // most bytes that are read at a time
    ROUND_LEAST = 1024,           // bytes that are not worth reading
    LONG_SHARE = 4,               // share of the memory from which on a line is a long one
    BUFFER_MIN = 64 * 1024,       // bytes of a thread's output buffer
    BUFFER_MAX = 1024 * 1024,
    PLACES_STEP = 16, // places for which memory is allocated at a time
};

// Where the text at an offset of the area comes from. There is one for the beginning of the area
// and one for each file that begins in it.
struct place {
    size_t at;       // offset in the area
    uint64_t lines;  // lines of the area before it
    unsigned file;   // number of the file
    uint64_t offset; // offset in the file
    uint64_t before; // lines of the file before it
};

struct sorter {
    struct sort_lines *s;
    struct line_input *in;
    struct sink *sink;
    struct line_runs runs;
    struct error *error;
    unsigned threads;
    size_t buffer_bytes; // of each thread
    uint64_t budget;     // bytes for the text and its records
    uint64_t runs_most;  // number of runs from which on they are merged to one
    char *area;
    size_t len;     // bytes of text in the area
    uint64_t lines; // newlines in them
    uint64_t read;  // bytes read until now
    bool ended;     // all input was read
    struct place *places;
    size_t place_count;
};

// ---- memory -------------------------------------------------------------------------------------

// Divides the memory: what is not needed otherwise is for the text and its records.
static void divide_memory(struct sorter *w)
{
    uint64_t memory = w->s->memory;
    uint64_t threads = memory / SORT_LINES_THREAD;
    w->threads = threads < w->s->threads ? (unsigned)threads : w->s->threads;
    uint64_t buffer = memory / 64 / w->threads;
    w->buffer_bytes = buffer < BUFFER_MIN   ? BUFFER_MIN
                      : buffer > BUFFER_MAX ? BUFFER_MAX
                                            : (size_t)buffer / 4096 * 4096;
    uint64_t taken = MIB + memory / 64 + SORT_TEXT_FIXED +
                     w->threads * (uint64_t)(SORT_TEXT_THREAD + w->buffer_bytes);
    if (memory >= HUGE_FROM) // the last huge page of the area and that of the records
        taken += 2 * HUGE_PAGE;
    w->budget = memory - taken;
    w->runs_most = memory / 2 / LINE_RUNS_BUFFER_MIN / 2;
    if (w->s->budget != 0)
        w->budget = w->s->budget;
    if (w->s->runs_most != 0)
        w->runs_most = w->s->runs_most;
}

// Returns the bytes of memory that the text needs, with its records.
static uint64_t used(const struct sorter *w)
{
    return w->len + w->lines * SORT_TEXT_LINE;
}

// Moves the bytes from `from` on to the beginning of the area, and frees the memory after them. The
// first place is then that of the new beginning.
static void keep_rest(struct sorter *w, size_t from, struct place first)
{
    size_t left = w->len - from;
    size_t page = 4096;
    memmove(w->area, w->area + from, left);
    size_t kept = (left + page - 1) / page * page;
    if (kept < w->budget)
        (void)madvise(w->area + kept, w->budget - kept, MADV_DONTNEED);
    w->len = left;
    w->places[0] = first;
    w->place_count = 1;
}

// ---- places -------------------------------------------------------------------------------------

// Notes where the bytes come from that begin at the end of the area.
static bool add_place(struct sorter *w, const struct input_part *part)
{
    if (w->place_count > 0 && w->places[w->place_count - 1].file == part->file)
        return true;
    if (w->place_count % PLACES_STEP == 0) {
        size_t count = w->place_count + PLACES_STEP;
        struct place *places = realloc(w->places, count * sizeof *places);
        if (places == NULL) {
            error_set(w->error, "%s", strerror(ENOMEM));
            return false;
        }
        w->places = places;
    }
    w->places[w->place_count++] =
        (struct place){w->len, w->lines, part->file, part->offset, part->before};
    return true;
}

// Returns the place of the byte at `at`, before which the area has `lines` lines.
static struct place place_of(const struct sorter *w, size_t at, uint64_t lines)
{
    size_t i = w->place_count - 1;
    while (i > 0 && w->places[i].at > at)
        i--;
    struct place p = w->places[i];
    return (struct place){at, lines, p.file, p.offset + (at - p.at), p.before + (lines - p.lines)};
}

// Sets the message about a malformed line of the area. Always returns false.
static bool refuse_line(struct sorter *w, struct span line, uint64_t lines)
{
    struct place p = place_of(w, (size_t)(line.ptr - w->area), lines);
    const char *path = w->in->files[p.file].path;
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    lines_init(&reader, line);
    reader.line = p.before + 1; // a byte order mark is another reason in line 1 only
    if (lines_next(&reader, &record, &fault) != LINE_MALFORMED)
        fault = (struct line_error){.fault = LINE_BLANK, .line = p.before + 1, .text = line};
    fault.offset = p.offset;
    line_error_format(&fault, strcmp(path, "-") == 0 ? "standard input" : path, w->error->text,
                      sizeof w->error->text);
    w->s->malformed = true;
    return false;
}

// ---- reading ------------------------------------------------------------------------------------

// Reads until the memory is full or the input ends.
static bool fill(struct sorter *w)
{
    uint64_t least = w->budget / 64 + ROUND_LEAST;
    while (!w->ended && used(w) + least < w->budget) {
        struct input_part part;
        // All lines may be as short as possible, so that they have the most records.
        uint64_t room = (w->budget - used(w)) * (LINE_MIN + 1) / (LINE_MIN + 1 + SORT_TEXT_LINE);
        struct bytes to = {w->area + w->len, room < ROUND ? (size_t)room : ROUND};
        if (!line_input_read(w->in, to, &part, w->error))
            return false;
        w->ended = part.len == 0;
        if (!w->ended && !add_place(w, &part))
            return false;
        w->len += part.len;
        w->lines += part.lines;
        w->s->lines += part.lines;
        w->read += part.len;
        tool_step_at(w->read, w->in->size);
    }
    return true;
}

// ---- writing ------------------------------------------------------------------------------------

// Creates the temporary file when it is first needed.
static bool begin_run(struct sorter *w)
{
    uint64_t bytes = w->in->size > 0 ? w->in->size : w->s->memory;
    if (w->runs.name == NULL && !line_runs_open(&w->runs, w->s->beside, bytes, w->error))
        return false;
    w->s->runs++;
    return line_runs_begin(&w->runs, w->error);
}

static void on_written(void *context, uint64_t done)
{
    const struct sorter *w = context;
    tool_step_at(done, w->len);
}

// Sorts the first `len` bytes of the area and appends them to `sink`.
static bool sort_area(struct sorter *w, size_t len, struct sink *sink)
{
    struct sort_text t = {
        .text = span_of(w->area, len),
        .lines = w->lines,
        .threads = w->threads,
        .buffer_bytes = w->buffer_bytes,
        .progress = sink == w->sink ? on_written : NULL,
        .context = w,
    };
    bool good = sort_text_write(&t, sink, w->error);
    w->s->kept = t.kept;
    return good || !t.malformed ? good
                                : refuse_line(w, t.malformed_line.text, t.malformed_line.line - 1);
}

// Merges all runs to one if there are so many that a later merge would have too small buffers.
static bool limit_runs(struct sorter *w)
{
    uint64_t begin = w->runs.file.at;
    uint64_t kept;
    if (w->runs.count < w->runs_most)
        return true;
    if (!line_runs_merge(&w->runs, &w->runs.file, w->s->memory / 2, &kept, NULL, NULL, w->error) ||
        !line_runs_begin(&w->runs, w->error))
        return false;
    w->runs.runs[0].begin = begin;
    line_runs_end(&w->runs);
    return true;
}

// Writes the whole lines of the area as a run. The rest stays in the area.
static bool write_run(struct sorter *w)
{
    const char *newline = w->len > 0 ? memrchr(w->area, '\n', w->len) : NULL;
    size_t len = newline != NULL ? (size_t)(newline + 1 - w->area) : 0;
    if (len == 0)
        return true;
    if (!begin_run(w) || !sort_area(w, len, &w->runs.file))
        return false;
    line_runs_end(&w->runs);
    keep_rest(w, len, place_of(w, len, w->lines));
    w->lines = 0;
    w->places[0].at = 0;
    w->places[0].lines = 0;
    return limit_runs(w);
}

// The area has the beginning of one long line. Writes the line as a run. Lines after it that were
// read with it stay in the area.
static bool write_long_line(struct sorter *w)
{
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    lines_init(&reader, span_of(w->area, w->len));
    if (lines_next(&reader, &record, &fault) == LINE_MALFORMED)
        return refuse_line(w, span_of(w->area, w->len), 0);
    if (!begin_run(w))
        return false;
    const char *newline = NULL;
    struct input_part part = {0};
    size_t len = w->len;
    while (newline == NULL) {
        struct bytes to = {w->area, w->budget < ROUND ? w->budget : ROUND};
        if (!sink_append(&w->runs.file, span_of(w->area, len), w->error) ||
            !line_input_read(w->in, to, &part, w->error))
            return false;
        len = part.len;
        newline = memchr(w->area, '\n', len);
    }
    size_t rest = (size_t)(newline + 1 - w->area);
    if (!sink_append(&w->runs.file, span_of(w->area, rest), w->error))
        return false;
    line_runs_end(&w->runs);
    w->s->lines += part.lines;
    w->len = part.len;
    w->lines = part.lines - 1;
    keep_rest(w, rest, (struct place){0, 0, part.file, part.offset + rest, part.before + 1});
    return limit_runs(w);
}

static void on_merged(void *context, uint64_t done)
{
    const struct sorter *w = context;
    tool_step_at(done, line_runs_bytes(&w->runs));
}

// ---- everything ---------------------------------------------------------------------------------

// Reads until the input ends. Without runs, all lines are then in the area; otherwise all lines are
// in runs.
static bool read_all(struct sorter *w)
{
    for (;;) {
        if (!fill(w))
            return false;
        if (w->ended && w->runs.count == 0)
            return true;
        if (!write_run(w))
            return false;
        if (w->ended)
            return true;
        if (w->len > w->budget / LONG_SHARE && !write_long_line(w))
            return false;
    }
}

// Writes the result.
static bool write_all(struct sorter *w)
{
    if (w->runs.count == 0) {
        tool_step("sorting", w->s->name, true);
        return sort_area(w, w->len, w->sink);
    }
    memory_unmap(w->area, w->budget);
    w->area = NULL;
    tool_step("merging", w->s->name, true);
    return line_runs_merge(&w->runs, w->sink, w->s->memory / 2, &w->s->kept, on_merged, w,
                           w->error);
}

bool sort_lines_run(struct sort_lines *s, struct line_input *in, struct sink *sink,
                    struct error *error)
{
    struct sorter w = {.s = s, .in = in, .sink = sink, .error = error};
    bool good = false;
    s->lines = s->kept = s->runs = 0;
    s->malformed = false;
    divide_memory(&w);
    w.area = memory_map(w.budget, HUGE_FROM);
    if (w.area == NULL) {
        error_set(error, "no memory to sort lines: %s", strerror(ENOMEM));
        return false;
    }
    tool_step("reading", s->name, true);
    good = read_all(&w) && write_all(&w);
    tool_step_hide();
    memory_unmap(w.area, w.budget);
    line_runs_close(&w.runs);
    free(w.places);
    return good;
}
