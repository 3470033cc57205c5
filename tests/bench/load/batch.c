// Makes batches of requests. Each line of the file costs a cache miss or two, in the array of
// offsets and in the file. All lines of a batch are prefetched before the first is used, so that
// the misses overlap.
#include "bench/load/batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "data/uuid_text.h"

enum { CACHE_LINE = 64, SHOWN_BEFORE = 24, SHOWN = 80 };

struct batch_end {
    size_t request;
    size_t reply;
};

bool batch_source_init(struct batch_source *s, const struct load *load, uint64_t seed)
{
    size_t count = load_lookups(load);
    *s = (struct batch_source){.load = *load, .random = {seed}};
    s->cold = random_next(&s->random) >> 32;
    s->lookups = calloc(count, sizeof *s->lookups);
    s->lines = calloc(count, sizeof *s->lines);
    s->keys = calloc(count, sizeof *s->keys);
    s->values = calloc(count, load->set != NULL ? working_set_room(load->set) : 1);
    return s->lookups != NULL && s->lines != NULL && s->keys != NULL && s->values != NULL;
}

void batch_source_release(struct batch_source *s)
{
    free(s->lookups);
    free(s->lines);
    free(s->keys);
    free(s->values);
    *s = (struct batch_source){0};
}

static void draw_lines(struct batch_source *s, size_t count)
{
    const struct data_file *f = s->load.file;
    for (size_t i = 0; i < count; i++) {
        s->lines[i] = random_below(&s->random, f->count);
        __builtin_prefetch(&f->starts[s->lines[i]]);
    }
    for (size_t i = 0; i < count; i++) {
        const char *line = f->text.ptr + f->starts[s->lines[i]];
        __builtin_prefetch(line);
        __builtin_prefetch(line + CACHE_LINE);
    }
}

// A key of 128 random bits is practically never in the file.
static struct lookup absent_lookup(struct random *r, char text[UUID_TEXT_LEN])
{
    struct uuid id = {random_next(r), random_next(r)};
    uuid_format(id, text);
    return (struct lookup){.key = {text, UUID_TEXT_LEN}};
}

static struct lookup set_lookup(struct batch_source *s, size_t i)
{
    const struct working_set *set = s->load.set;
    bool cold = random_below(&s->random, 100) < set->cold_percent;
    uint64_t record = cold ? working_set_cold(set, s->cold++)
                           : working_set_hot(set, random_below(&s->random, set->hot));
    char *value = s->values + i * working_set_room(set);
    size_t len = working_set_record(set, record, s->keys[i], value);
    return (struct lookup){{s->keys[i], UUID_TEXT_LEN}, {value, len}};
}

static struct lookup line_lookup(const struct batch_source *s, size_t i)
{
    return (struct lookup){data_file_key(s->load.file, s->lines[i]),
                           data_file_value(s->load.file, s->lines[i])};
}

static void draw(struct batch_source *s, size_t count)
{
    const struct load *load = &s->load;
    if (load->set == NULL)
        draw_lines(s, count);
    for (size_t i = 0; i < count; i++) {
        if (load->misses > 0 && random_below(&s->random, 100) < load->misses)
            s->lookups[i] = absent_lookup(&s->random, s->keys[i]);
        else
            s->lookups[i] = load->set != NULL ? set_lookup(s, i) : line_lookup(s, i);
    }
}

bool batch_fill(struct batch *b, struct batch_source *s)
{
    const struct load *load = &s->load;
    if (b->ends == NULL)
        b->ends = calloc(load->pipeline, sizeof *b->ends);
    if (b->ends == NULL)
        return false;
    draw(s, load->pipeline * load->keys);
    b->request.len = 0;
    b->reply.len = 0;
    for (size_t i = 0; i < load->pipeline; i++) {
        protocol_append(load->protocol, load->kind, s->lookups + i * load->keys, load->keys,
                        &b->request, &b->reply);
        b->ends[i] = (struct batch_end){b->request.len, b->reply.len};
    }
    return !b->request.oom && !b->reply.oom;
}

void batch_release(struct batch *b)
{
    buf_release(&b->request);
    buf_release(&b->reply);
    free(b->ends);
    b->ends = NULL;
}

// ---- wrong replies ------------------------------------------------------------------------------

static void append_shown(struct buf *to, struct span s)
{
    for (size_t i = 0; i < s.len && i < SHOWN; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        buf_printf(to, c >= 0x20 && c < 0x7f && c != '\\' ? "%c" : "\\x%02x", c);
    }
    buf_append_text(to, s.len > SHOWN ? "..." : "");
}

static size_t first_difference(struct span a, struct span b)
{
    size_t at = 0;
    while (at < a.len && at < b.len && a.ptr[at] == b.ptr[at])
        at++;
    return at;
}

void batch_explain(const struct batch *b, size_t at, struct span got, struct error *error)
{
    struct span rest = span_of(b->reply.ptr + at, b->reply.len - at);
    size_t same = first_difference(got, rest);
    if (same == rest.len) {
        error_set(error, "wrong reply: %zu bytes too many", got.len - same);
        return;
    }
    size_t request = 0;
    while (b->ends[request].reply <= at + same)
        request++;
    size_t request_at = request > 0 ? b->ends[request - 1].request : 0;
    size_t reply_at = request > 0 ? b->ends[request - 1].reply : 0;
    // The expected and the received bytes are shown from the same offset of the reply on.
    size_t from = same > SHOWN_BEFORE ? same - SHOWN_BEFORE : 0;
    if (at + from < reply_at)
        from = reply_at - at;
    struct buf text = {0};
    buf_printf(&text, "wrong reply to '");
    append_shown(&text,
                 span_of(b->request.ptr + request_at, b->ends[request].request - request_at));
    buf_printf(&text, "': expected '%s", at + from > reply_at ? "..." : "");
    append_shown(&text, span_of(rest.ptr + from, b->ends[request].reply - at - from));
    buf_append_text(&text, "', got '");
    append_shown(&text, span_of(got.ptr + from, got.len - from));
    buf_append_text(&text, "'");
    error_set(error, "%.*s", (int)text.len, text.ptr);
    buf_release(&text);
}
