// The merge reads all runs at the same time, each through a buffer. A tournament between the runs
// finds the next line: of the runs' first lines, the one with the least key.
//
// A line may be longer than a buffer. Then it is copied piece by piece.
#include "tool/line_runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/lines.h"
#include "data/newline.h"
#include "data/room.h"

enum {
    PAGE = 4096, // bytes; the system frees disk space in units of at least this size
    FREED_AT_ONCE = 16 * 1024 * 1024, // bytes of a run that are given up at a time
};

bool line_runs_open(struct line_runs *r, const char *beside, uint64_t bytes, struct error *error)
{
    char folder[256] = "";
    int fd = room_in_file(".", beside, bytes, folder, sizeof folder);
    *r = (struct line_runs){.file = {.fd = fd}};
    if (fd < 0) {
        error_set(error, "no room for a temporary file of %llu MiB in '%s': %s",
                  (unsigned long long)(bytes >> 20) + 1, folder,
                  errno == EMEDIUMTYPE ? "it is in memory, not on a disk" : strerror(errno));
        return false;
    }
    if (asprintf(&r->name, "to a temporary file in '%s'", folder) >= 0) {
        r->file.name = r->name;
        return true;
    }
    error_set(error, "%s", strerror(ENOMEM));
    close(fd);
    *r = (struct line_runs){0};
    return false;
}

bool line_runs_begin(struct line_runs *r, struct error *error)
{
    // Room for 16 more each time: there may be thousands of runs.
    if (r->count % 16 == 0) {
        struct line_run *runs = realloc(r->runs, (r->count + 16) * sizeof *runs);
        if (runs == NULL) {
            error_set(error, "%s", strerror(ENOMEM));
            return false;
        }
        r->runs = runs;
    }
    r->runs[r->count++] = (struct line_run){r->file.at, r->file.at};
    return true;
}

void line_runs_end(struct line_runs *r)
{
    r->runs[r->count - 1].end = r->file.at;
}

uint64_t line_runs_bytes(const struct line_runs *r)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->count; i++)
        bytes += r->runs[i].end - r->runs[i].begin;
    return bytes;
}

void line_runs_close(struct line_runs *r)
{
    if (r->name != NULL)
        close(r->file.fd);
    free(r->name);
    free(r->runs);
    *r = (struct line_runs){0};
}

// ---- one run ------------------------------------------------------------------------------------

// A run that is being read.
struct source {
    struct uuid key; // key of the present line
    char *buf;
    size_t at;      // offset of the present line in the buffer
    size_t line;    // bytes of the present line with its newline; 0: its end is not in the buffer
    size_t len;     // bytes in the buffer
    uint64_t next;  // offset in the file of the bytes after those in the buffer
    uint64_t end;   // end of the run
    uint64_t freed; // bytes of the file before this offset were given up
    bool ended;     // there is no present line
};

struct merging {
    int fd;
    size_t buffer_bytes; // of each source
    struct source *sources;
    uint32_t *losers; // the tournament: losers[0] is the winner
    uint32_t count;   // number of sources
    uint64_t done;    // bytes read
    char *output;
    size_t output_len;
    struct sink *sink;
    struct error *error;
};

// Gives the disk space of what was read back to the system. If that fails, the space is free later.
static void give_up(const struct merging *m, struct source *s)
{
    uint64_t from = (s->freed + PAGE - 1) / PAGE * PAGE;
    uint64_t to = s->next / PAGE * PAGE;
    if (to < from + FREED_AT_ONCE)
        return;
    (void)fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                    (off_t)(to - from));
    s->freed = to;
}

// Moves the bytes from `s->at` on to the front of the buffer, and fills the rest of it.
static bool fill(struct merging *m, struct source *s)
{
    s->len -= s->at;
    memmove(s->buf, s->buf + s->at, s->len);
    s->at = 0;
    uint64_t left = s->end - s->next;
    size_t room = m->buffer_bytes - s->len;
    size_t wanted = left < room ? (size_t)left : room;
    if (!file_read(m->fd, s->buf + s->len, wanted, s->next)) {
        error_set(m->error, "cannot read from the temporary file: %s",
                  errno != 0 ? strerror(errno) : "it became shorter meanwhile");
        return false;
    }
    s->len += wanted;
    s->next += wanted;
    m->done += wanted;
    give_up(m, s);
    return true;
}

// Makes the line at `s->at` the present line.
static bool begin_line(struct merging *m, struct source *s)
{
    for (unsigned tries = 0;; tries++) {
        size_t have = s->len - s->at;
        const char *line = s->buf + s->at;
        size_t value = have > LINE_VALUE_AT
                           ? SIMD(newline_find)(line + LINE_VALUE_AT, have - LINE_VALUE_AT)
                           : 0;
        bool whole = have > LINE_VALUE_AT && value < have - LINE_VALUE_AT;
        if (!whole && tries == 0 && s->next < s->end) {
            if (!fill(m, s))
                return false;
            continue;
        }
        s->ended = have == 0;
        s->line = whole ? LINE_VALUE_AT + value + 1 : 0;
        if (s->ended || (have >= LINE_MIN && SIMD(uuid_parse)(line, &s->key)))
            return true;
        error_set(m->error, "the temporary file was changed by another program");
        return false;
    }
}

static bool flush(struct merging *m)
{
    size_t len = m->output_len;
    m->output_len = 0;
    return sink_append(m->sink, span_of(m->output, len), m->error);
}

static bool put(struct merging *m, struct span bytes)
{
    if (bytes.len > LINE_RUNS_OUTPUT - m->output_len && !flush(m))
        return false;
    if (bytes.len > LINE_RUNS_OUTPUT)
        return sink_append(m->sink, bytes, m->error);
    memcpy(m->output + m->output_len, bytes.ptr, bytes.len);
    m->output_len += bytes.len;
    return true;
}

// Goes to the next line. The present line is written before, if `kept` says so.
static bool pass_line(struct merging *m, struct source *s, bool kept)
{
    while (s->line == 0) { // the end of the line is not in the buffer
        const char *newline = memchr(s->buf + s->at, '\n', s->len - s->at);
        size_t len = newline != NULL ? (size_t)(newline + 1 - s->buf) - s->at : s->len - s->at;
        if (newline != NULL) {
            s->line = len;
            break;
        }
        if (kept && !put(m, span_of(s->buf + s->at, len)))
            return false;
        s->at = s->len;
        if (s->next == s->end) { // not reached, because each run ends in a newline
            error_set(m->error, "the temporary file was changed by another program");
            return false;
        }
        if (!fill(m, s))
            return false;
    }
    if (kept && !put(m, span_of(s->buf + s->at, s->line)))
        return false;
    s->at += s->line;
    return begin_line(m, s);
}

// ---- all runs -----------------------------------------------------------------------------------

// Whether the line of source `a` comes before that of source `b`. Of two lines with the same key,
// the one of the later run comes first, as it is the one to keep.
static inline bool comes_before(const struct merging *m, uint32_t a, uint32_t b)
{
    const struct source *x = &m->sources[a];
    const struct source *y = &m->sources[b];
    if (x->ended || y->ended)
        return !x->ended;
    if (uuid_equal(x->key, y->key))
        return a > b;
    return uuid_less(x->key, y->key);
}

// Lets source `s`, which has a new line, play against the losers on its way to the top. This is the
// tree of losers in Knuth, The Art of Computer Programming, volume 3, section 5.4.1.
static void replay(struct merging *m, uint32_t s)
{
    for (uint32_t node = (s + m->count) / 2; node > 0; node /= 2)
        if (comes_before(m, m->losers[node], s)) {
            uint32_t winner = m->losers[node];
            m->losers[node] = s;
            s = winner;
        }
    m->losers[0] = s;
}

// Returns the winner below this node, and sets the losers there.
static uint32_t play_all(struct merging *m, uint32_t node)
{
    if (node >= m->count)
        return node - m->count;
    uint32_t a = play_all(m, 2 * node);
    uint32_t b = play_all(m, 2 * node + 1);
    bool first = comes_before(m, a, b);
    m->losers[node] = first ? b : a;
    return first ? a : b;
}

static bool merge(struct merging *m, uint64_t *kept, void (*progress)(void *context, uint64_t done),
                  void *context)
{
    struct uuid last = {0};
    uint64_t reported = 0;
    bool any = false;
    for (uint32_t i = 0; i < m->count; i++)
        if (!begin_line(m, &m->sources[i]))
            return false;
    m->losers[0] = play_all(m, 1);
    *kept = 0;
    for (;;) {
        uint32_t winner = m->losers[0];
        struct source *s = &m->sources[winner];
        if (s->ended)
            return flush(m);
        bool is_new = !any || !uuid_equal(s->key, last);
        any = true;
        last = s->key;
        *kept += is_new;
        if (!pass_line(m, s, is_new))
            return false;
        replay(m, winner);
        if (progress != NULL && m->done != reported) {
            reported = m->done;
            progress(context, reported);
        }
    }
}

bool line_runs_merge(struct line_runs *r, struct sink *sink, size_t memory, uint64_t *kept,
                     void (*progress)(void *context, uint64_t done), void *context,
                     struct error *error)
{
    size_t left = memory > LINE_RUNS_OUTPUT ? memory - LINE_RUNS_OUTPUT : 0;
    size_t each = left / (r->count + 1);
    each = each < LINE_RUNS_BUFFER_MIN   ? LINE_RUNS_BUFFER_MIN
           : each > LINE_RUNS_BUFFER_MAX ? LINE_RUNS_BUFFER_MAX
                                         : each / PAGE * PAGE;
    size_t size = r->count * each + LINE_RUNS_OUTPUT;
    char *buffers = memory_map(size, SIZE_MAX);
    struct merging m = {
        .fd = r->file.fd,
        .buffer_bytes = each,
        .sources = calloc(r->count + 1, sizeof *m.sources),
        .losers = calloc(r->count + 1, sizeof *m.losers),
        .count = (uint32_t)r->count,
        .output = buffers,
        .sink = sink,
        .error = error,
    };
    bool good = false;
    *kept = 0;
    if (buffers == NULL || m.sources == NULL || m.losers == NULL) {
        error_set(error, "no memory to merge lines: %s", strerror(ENOMEM));
        goto out;
    }
    for (uint32_t i = 0; i < m.count; i++)
        m.sources[i] = (struct source){
            .buf = buffers + LINE_RUNS_OUTPUT + i * each,
            .next = r->runs[i].begin,
            .end = r->runs[i].end,
            .freed = r->runs[i].begin,
        };
    good = m.count == 0 || merge(&m, kept, progress, context);
    if (good)
        r->count = 0;
out:
    memory_unmap(buffers, size);
    free(m.sources);
    free(m.losers);
    return good;
}
