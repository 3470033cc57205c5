// Tests of the output queue: the order of owned and borrowed bytes, references that are taken and
// dropped exactly once, takes that end at any byte, and bounded memory. Random operations are
// compared with a simple model.
#include "base/output.h"

#include <sys/uio.h>

#include "support/tap.h"

enum { OWNERS = 3, MODEL_LOANS = 4096 };

// The owners are static and outlive the outputs. A release only counts.
static struct ref owners[OWNERS];
static unsigned released;

static void count_release(struct ref *ref)
{
    (void)ref;
    released++;
}

static void owners_init(void)
{
    for (unsigned i = 0; i < OWNERS; i++)
        ref_init(&owners[i], count_release);
    released = 0;
}

// Returns the number of references besides the test's own.
static unsigned taken(unsigned owner)
{
    return atomic_load(&owners[owner].count) - 1;
}

// Appends all pending bytes, read from the iovecs.
static struct buf gather(const struct output *o)
{
    struct iovec vectors[MODEL_LOANS];
    struct buf all = {0};
    size_t count = output_iovecs(o, SIZE_MAX, vectors, MODEL_LOANS);
    for (size_t i = 0; i < count; i++)
        buf_append(&all, span_of(vectors[i].iov_base, vectors[i].iov_len));
    return all;
}

static bool holds(const struct output *o, struct span wanted)
{
    struct buf all = gather(o);
    bool same = span_equal(buf_span(&all), wanted) && output_pending(o) == wanted.len;
    buf_release(&all);
    return same;
}

// Appends "one two THREE four FIVE SIX seven". The words in capitals are borrowed, from
// owners 0, 1 and 2.
static const char sample_text[] = "one two THREE four FIVE SIX seven";

static struct output sample(void)
{
    struct output o = {0};
    output_append(&o, span_text("one "));
    output_append(&o, span_text("two "));
    output_borrow(&o, span_of(sample_text + 8, 5), &owners[0], 0);
    memcpy(output_reserve(&o, 100), " four ", 6);
    output_commit(&o, 6);
    output_borrow(&o, span_of(sample_text + 19, 4), &owners[1], 0);
    output_borrow(&o, span_of(sample_text + 23, 4), &owners[2], 0);
    output_append(&o, span_text(" seven"));
    return o;
}

// Whether the output holds the right references after `count` bytes of the sample were taken.
static bool sample_references(size_t count)
{
    return taken(0) == (count < 13) && taken(1) == (count < 23) && taken(2) == (count < 27);
}

static void test_order(void)
{
    struct span whole = span_text(sample_text);
    struct iovec vectors[8];
    struct output o = sample();
    ok(holds(&o, whole), "owned and borrowed bytes keep their order");
    is_number((int64_t)output_iovecs(&o, SIZE_MAX, vectors, 8), 6,
              "adjacent owned bytes share one iovec");
    ok(vectors[1].iov_base == sample_text + 8, "borrowed bytes are not copied");
    is_number((int64_t)output_iovecs(&o, SIZE_MAX, vectors, 4), 4,
              "at most `max` iovecs are filled");
    is_number((int64_t)output_iovecs(&o, SIZE_MAX, vectors, 0), 0,
              "with a `max` of 0 no iovec is filled");
    output_release(&o);
    ok(sample_references(whole.len), "release drops each pending reference once");
    ok(o.pending == 0 && o.count == 0 && o.owned.ptr == NULL && o.segments == NULL && !o.oom,
       "release leaves an empty output");
    output_release(&o);
    is_number((int64_t)output_iovecs(&o, SIZE_MAX, vectors, 8), 0, "an empty output has no iovecs");

    unsigned wrong = 0;
    for (size_t first = 0; first <= whole.len; first++) {
        for (size_t second = first; second <= whole.len; second++) {
            o = sample();
            output_take(&o, first);
            wrong += !sample_references(first);
            wrong += !holds(&o, span_of(sample_text + first, whole.len - first));
            output_take(&o, second - first);
            wrong += !sample_references(second);
            wrong += !holds(&o, span_of(sample_text + second, whole.len - second));
            output_append(&o, span_text("!"));
            wrong += output_pending(&o) != whole.len - second + 1;
            output_release(&o);
            wrong += !sample_references(whole.len);
        }
    }
    is_number(wrong, 0, "after a take of any length, the rest and its references are right");

    o = sample();
    for (size_t left = 0; left < whole.len; left++) {
        wrong += !sample_references(left);
        wrong += output_iovecs(&o, SIZE_MAX, vectors, 1) != 1;
        wrong += *(const char *)vectors[0].iov_base != sample_text[left];
        output_take(&o, 1);
    }
    ok(wrong == 0 && sample_references(whole.len) && output_pending(&o) == 0,
       "taken byte by byte, the bytes come in order");
    output_release(&o);
    is_number(released, 0, "no reference was dropped twice");
}

static void test_owner_lifetime(void)
{
    struct output o = {0};
    owners_init();
    output_borrow(&o, span_text("abc"), &owners[0], 0);
    output_borrow(&o, span_text("def"), &owners[0], 0);
    is_number(taken(0), 2, "each borrowed segment holds a reference of its own");
    ref_drop(&owners[0]);
    output_take(&o, 5);
    is_number(released, 0, "the owner lives until the last borrowed byte is taken");
    output_take(&o, 1);
    is_number(released, 1, "then the owner is released once");
    output_release(&o);

    owners_init();
    output_borrow(&o, span_text("abc"), &owners[0], 0);
    ref_drop(&owners[0]);
    output_release(&o);
    is_number(released, 1, "releasing an output drops its references");

    owners_init();
    output_borrow(&o, span_of("", 0), &owners[0], 0);
    output_append(&o, span_of(NULL, 0));
    output_commit(&o, 0);
    ok(taken(0) == 0 && o.count == 0, "an empty span makes no segment and takes no reference");
    output_release(&o);
}

static void test_memory(void)
{
    static char text[20000];
    struct output o = {0};
    owners_init();
    output_append(&o, span_of(text, sizeof text));
    for (unsigned i = 0; i < 100; i++) {
        output_borrow(&o, span_of(text, 1), &owners[0], 0);
        output_append(&o, span_of(text, 1));
    }
    output_take(&o, output_pending(&o));
    ok(output_pending(&o) == 0 && o.owned.cap >= sizeof text, "an emptied output keeps its memory");
    output_release(&o);

    // 10 MB pass through the output. It is never empty, and at most 2,100 bytes are pending.
    size_t most = 0;
    size_t most_segments = 0;
    for (unsigned i = 0; i < 10000; i++) {
        output_append(&o, span_of(text, 1000));
        output_borrow(&o, span_of(text, 10), &owners[0], 0);
        if (i > 0)
            output_take(&o, 1010);
        most = o.owned.cap > most ? o.owned.cap : most;
        most_segments = o.capacity > most_segments ? o.capacity : most_segments;
    }
    ok(most <= 64 * 1024, "the room of taken bytes is used again (%zu bytes allocated)", most);
    ok(most_segments <= 8, "the room of taken segments is used again (%zu allocated)",
       most_segments);
    output_release(&o);
    is_number(taken(0), 0, "all references were dropped");

    // Bytes are added whenever less than 256 KiB wait, and taken a few at a time.
    static char piece[16 * 1024 + 100];
    struct random r = random_seeded();
    most = 0;
    for (unsigned i = 0; i < 20000; i++) {
        if (output_pending(&o) < 256 * 1024)
            output_append(&o, span_of(piece, 1 + random_below(&r, sizeof piece)));
        output_take(&o, random_below(&r, output_pending(&o) < 10000 ? 100 : 10000));
        most = o.owned.cap > most ? o.owned.cap : most;
    }
    ok(most <= 288 * 1024, "256 KiB and one more reply take %zu bytes of memory", most);
    output_release(&o);
}

static void test_move(void)
{
    unsigned wrong = 0;
    owners_init();
    for (size_t before = 0; before < sizeof sample_text; before++) {
        for (size_t count = 0; count < sizeof sample_text - before; count++) {
            struct output from = sample();
            struct output to = {0};
            output_take(&from, before);
            output_append(&to, span_text("0"));
            output_move(&to, &from, count);
            output_take(&to, 1);
            wrong += !holds(&to, span_of(sample_text + before, count));
            wrong += !holds(&from, span_text(sample_text + before + count));
            output_append(&to, span_text("!"));
            wrong += output_pending(&to) != count + 1;
            output_release(&from);
            output_release(&to);
            wrong += !sample_references(sizeof sample_text);
        }
    }
    is_number(wrong, 0, "after a move of any length, both outputs and their references are right");

    struct output from = sample();
    struct output to = {0};
    output_reserve(&from, SIZE_MAX);
    output_move(&to, &from, 4);
    ok(!output_oom(&to) && holds(&to, span_text("one ")), "bytes from before oom are not lost");
    output_release(&to);
    output_reserve(&to, SIZE_MAX);
    output_move(&to, &from, 4);
    ok(output_oom(&to), "a move that does not fit sets oom");
    output_release(&from);
    output_release(&to);
}

// The limit of bytes for output_iovecs.
static void test_limit(void)
{
    unsigned wrong = 0;
    for (size_t limit = 0; limit < sizeof sample_text; limit++) {
        struct iovec vectors[8];
        struct output o = sample();
        struct buf got = {0};
        size_t count = output_iovecs(&o, limit, vectors, 8);
        for (size_t i = 0; i < count; i++)
            buf_append(&got, span_of(vectors[i].iov_base, vectors[i].iov_len));
        wrong += !span_equal(buf_span(&got), span_of(sample_text, limit));
        buf_release(&got);
        output_release(&o);
    }
    is_number(wrong, 0, "iovecs have at most the requested number of bytes");
}

static void test_oom(void)
{
    struct output o = sample();
    ok(!output_oom(&o) && output_reserve(&o, SIZE_MAX / 2 + 1) == NULL && output_oom(&o),
       "reserving more than all memory sets oom");
    ok(output_reserve(&o, 1) == NULL, "after that nothing can be reserved");
    output_append(&o, span_text("lost"));
    output_borrow(&o, span_text("lost"), &owners[0], 0);
    ok(holds(&o, span_text(sample_text)) && sample_references(0),
       "later appends are lost and take no reference; pending bytes stay");
    output_release(&o);
    ok(!output_oom(&o) && sample_references(sizeof sample_text), "release drops everything");

    // The requested size plus the bytes already there must not overflow.
    for (unsigned filled = 0; filled < 2; filled++) {
        if (filled)
            output_append(&o, span_text("kept"));
        ok(output_reserve(&o, SIZE_MAX) == NULL && output_oom(&o), "reserving %s sets oom",
           filled ? "SIZE_MAX bytes after others" : "SIZE_MAX bytes");
        output_release(&o);
    }
}

// The model: all bytes in one buffer, and the offset where each borrowed segment ends.
struct model {
    struct buf bytes; // all bytes appended so far
    size_t left;      // number of bytes taken so far
    size_t ends[MODEL_LOANS];
    unsigned owner[MODEL_LOANS];
    size_t borrowed;
};

static bool model_agrees(const struct model *m, const struct output *o)
{
    unsigned wanted[OWNERS] = {0};
    for (size_t i = 0; i < m->borrowed; i++)
        wanted[m->owner[i]] += m->ends[i] > m->left;
    for (unsigned i = 0; i < OWNERS; i++)
        if (taken(i) != wanted[i])
            return false;
    return holds(o, span_of(m->bytes.ptr + m->left, m->bytes.len - m->left));
}

static void test_random(void)
{
    static char source[4096];
    struct random r = random_seeded();
    unsigned wrong = 0;
    owners_init();
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (char)random_next(&r);
    for (unsigned run = 0; run < 40; run++) {
        static struct model m;
        struct output o = {0};
        m = (struct model){0};
        buf_reserve(&m.bytes, 1);
        for (unsigned step = 0; step < 400; step++) {
            size_t len = random_below(&r, random_below(&r, 8) == 0 ? 2000 : 20);
            struct span s = {source + random_below(&r, sizeof source - len), len};
            uint64_t what = random_below(&r, 10);
            if (what < 3) {
                output_append(&o, s);
            } else if (what < 5) {
                memcpy(output_reserve(&o, len + random_below(&r, 100)), s.ptr, len);
                output_commit(&o, len);
            } else if (what < 7) {
                unsigned owner = (unsigned)random_below(&r, OWNERS);
                output_borrow(&o, s, &owners[owner], 0);
                if (len > 0) {
                    m.owner[m.borrowed] = owner;
                    m.ends[m.borrowed++] = m.bytes.len + len;
                }
            } else {
                size_t pending = output_pending(&o);
                size_t count = what == 9 ? pending : random_below(&r, pending + 1) / 2;
                output_take(&o, count);
                m.left += count;
                s.len = 0;
            }
            buf_append(&m.bytes, s);
            wrong += !model_agrees(&m, &o);
        }
        output_release(&o);
        for (unsigned i = 0; i < OWNERS; i++)
            wrong += taken(i) != 0;
        buf_release(&m.bytes);
    }
    is_number(wrong, 0, "16,000 random appends, borrows and takes agree with the model");
}

int main(void)
{
    owners_init();
    test_order();
    test_owner_lifetime();
    test_memory();
    test_move();
    test_limit();
    owners_init();
    test_oom();
    test_random();
    return done_testing();
}
