// Keys are looked up in groups, so that the processor waits for the memory of many lookups at the
// same time. Nothing is kept but one buffer of input and one of output.
#include "tool/get_keys.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/lines.h"
#include "data/newline.h"
#include "tool/line_output.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum {
    INPUT = 256 * 1024, // bytes of the input buffer
    GROUP = 256,        // keys that are looked up together
    // Bytes of a malformed line without an end that are read for the message, which shows fewer.
    MALFORMED = 64,
};

// Keys whose lines are in the input buffer.
struct group {
    unsigned count;
    struct uuid ids[GROUP];
    const char *texts[GROUP]; // the keys as they were read
    uint64_t offsets[GROUP];
};

struct work {
    const struct dataset *dataset;
    bool missing;
    struct line_output out;
    char *input;     // INPUT bytes, and one for a newline
    size_t begin;    // first byte that was not taken
    size_t end;      // end of the bytes that were read
    bool ended;      // there is no more input
    uint64_t offset; // offset of `begin` in all of the input
    uint64_t size;   // bytes of the input; 0: not known
    uint64_t lines;  // number of lines taken
    uint64_t absent; // number of keys not found
};

// ---- input --------------------------------------------------------------------------------------

static bool input_is_there(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

// Reads more input after the bytes that were not taken, and moves them to the front before. At the
// end of the input, the last line gets a newline if it has none. Returns false with a message when
// reading or writing fails.
static bool read_more(struct work *w, struct error *error)
{
    ssize_t got;
    w->end -= w->begin;
    memmove(w->input, w->input + w->begin, w->end);
    w->begin = 0;
    if (!input_is_there() && !line_output_flush(&w->out, error))
        return false;
    do
        got = read(STDIN_FILENO, w->input + w->end, INPUT - w->end);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        error_set(error, "cannot read standard input: %s", strerror(errno));
        return false;
    }
    w->end += (size_t)got;
    w->ended = got == 0;
    if (w->ended && w->end > 0 && w->input[w->end - 1] != '\n')
        w->input[w->end++] = '\n';
    return true;
}

enum key_line { KEY_LINE, KEY_LINE_MALFORMED, KEY_LINE_PARTIAL };

// Looks at the first line that was not taken. Returns KEY_LINE and sets `*id` and the line's length
// with its end; KEY_LINE_MALFORMED; or KEY_LINE_PARTIAL if more input must be read first.
static enum key_line next_line(const struct work *w, struct uuid *id, size_t *len)
{
    const char *text = w->input + w->begin;
    size_t left = w->end - w->begin;
    if (left > UUID_TEXT_LEN && SIMD(uuid_parse)(text, id)) {
        *len = UUID_TEXT_LEN + 1;
        if (text[UUID_TEXT_LEN] == '\n')
            return KEY_LINE;
        *len = UUID_TEXT_LEN + 2;
        if (left >= *len && text[UUID_TEXT_LEN] == '\r' && text[UUID_TEXT_LEN + 1] == '\n')
            return KEY_LINE;
    }
    bool known = left >= MALFORMED || newline_find_scalar(text, left) < left;
    return known ? KEY_LINE_MALFORMED : KEY_LINE_PARTIAL;
}

static void refuse_line(const struct work *w, struct error *error)
{
    const char *text = w->input + w->begin;
    size_t len = newline_find_scalar(text, w->end - w->begin);
    struct line_error fault = {len == 0 ? LINE_BLANK : LINE_NOT_UUID, w->lines + 1, w->offset,
                               span_of(text, len)};
    line_error_format(&fault, "standard input", error->text, sizeof error->text);
}

// ---- output -------------------------------------------------------------------------------------

// Prints a line: the key, and after a space `value` unless it is NULL.
static bool print_line(struct work *w, const char *key, const struct span *value,
                       struct error *error)
{
    size_t len = UUID_TEXT_LEN + (value != NULL ? 1 + value->len : 0);
    if (len >= LINE_OUTPUT_WHOLE)
        return line_output_begin(&w->out, error) &&
               line_output_append(&w->out, span_of(key, UUID_TEXT_LEN), error) &&
               line_output_append(&w->out, span_of(" ", 1), error) &&
               line_output_append(&w->out, *value, error) &&
               line_output_append(&w->out, span_of("\n", 1), error);
    char *to = line_output_place(&w->out, len + 1, error);
    if (to == NULL)
        return false;
    memcpy(to, key, UUID_TEXT_LEN);
    if (value != NULL) {
        to[UUID_TEXT_LEN] = ' ';
        memcpy(to + UUID_TEXT_LEN + 1, value->ptr, value->len);
    }
    to[len] = '\n';
    return true;
}

static bool print_found(struct work *w, const char *key, uint64_t offset, struct error *error)
{
    struct span value = dataset_value(w->dataset, offset);
    if (value.ptr != NULL)
        return print_line(w, key, &value, error);
    error_set(error, "'%s' was truncated or cannot be read", dataset_path(w->dataset));
    return false;
}

static bool look_up(struct work *w, struct group *g, struct error *error)
{
    if (!dataset_find_many(w->dataset, g->ids, g->count, g->offsets)) {
        error_set(error, "the index of '%s' is damaged or was overwritten",
                  dataset_path(w->dataset));
        return false;
    }
    for (unsigned i = 0; i < g->count; i++) {
        bool absent = g->offsets[i] == DATASET_NO_OFFSET;
        w->absent += absent;
        if (absent && w->missing && !print_line(w, g->texts[i], NULL, error))
            return false;
        if (!absent && !w->missing && !print_found(w, g->texts[i], g->offsets[i], error))
            return false;
    }
    g->count = 0;
    return true;
}

// ---- all of it ----------------------------------------------------------------------------------

// Takes the whole lines that were read, and looks up their keys.
static bool take_lines(struct work *w, struct error *error)
{
    struct group g;
    size_t len = 0;
    enum key_line line;
    g.count = 0;
    while ((line = next_line(w, &g.ids[g.count], &len)) == KEY_LINE) {
        g.texts[g.count++] = w->input + w->begin;
        w->begin += len;
        w->offset += len;
        w->lines++;
        if (g.count == GROUP && !look_up(w, &g, error))
            return false;
    }
    if (!look_up(w, &g, error))
        return false;
    if (line == KEY_LINE_MALFORMED)
        refuse_line(w, error);
    return line != KEY_LINE_MALFORMED;
}

static bool get_all(struct work *w, struct error *error)
{
    bool shown = w->size > 0 && !isatty(STDOUT_FILENO); // a bar would mix with the lines
    while (!w->ended) {
        if (!read_more(w, error) || !take_lines(w, error))
            return false;
        if (shown)
            tool_step_at(w->offset, w->size);
    }
    return true;
}

int get_keys(const struct dataset *d, bool missing)
{
    struct work w = {.dataset = d, .missing = missing, .input = malloc(INPUT + 1)};
    struct error error = {""};
    struct error failure = {""};
    struct stat status = {0};
    bool good = w.input != NULL;
    if (!good)
        error_set(&error, "%s", strerror(ENOMEM));
    if (fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode))
        w.size = (uint64_t)status.st_size;
    tool_step("looking up", "standard input", true);
    good = good && line_output_open(&w.out, "-", &status, &error) && get_all(&w, &error);
    tool_step_hide();
    // After a failure the answers that came before it are written, too.
    if (w.out.buf != NULL && !line_output_finish(&w.out, good ? &error : &failure))
        good = false;
    line_output_release(&w.out);
    free(w.input);
    if (!good)
        tool_say("%s", error.text);
    else if (w.absent > 0 && !missing)
        tool_say("%llu of %llu keys are not in %s", (ull)w.absent, (ull)w.lines, dataset_path(d));
    return !good ? TOOL_ERROR : w.absent > 0 ? TOOL_NO : TOOL_OK;
}
