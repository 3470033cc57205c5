// Tests of lzf_expand: texts that a compressor of this test has packed are the same again, in
// pieces of any size; references that lead outside are refused; no byte outside is touched.
#include "rdb/lzf.h"

#include <stdlib.h>

#include "support/guard.h"
#include "support/tap.h"

enum {
    TEXT_MOST = 200 * 1000,
    REACH_MOST = 8192, // longest distance of a reference
    REPEAT_MOST = 264, // longest reference
};

// Packs a text with random items: whatever the text has said before may be referred to.
static void pack(struct random *r, struct span text, struct buf *to)
{
    for (size_t at = 0; at < text.len;) {
        size_t distance = at > 0 ? 1 + random_below(r, at < REACH_MOST ? at : REACH_MOST) : 0;
        size_t same = 0;
        while (distance > 0 && same < REPEAT_MOST && at + same < text.len &&
               text.ptr[at + same] == text.ptr[at + same - distance])
            same++;
        if (same < 3) {
            size_t len = 1 + random_below(r, 32);
            len = len < text.len - at ? len : text.len - at;
            buf_append(to, span_of((char[]){(char)(len - 1)}, 1));
            buf_append(to, span_of(text.ptr + at, len));
            at += len;
            continue;
        }
        size_t len = same - 2;
        size_t offset = distance - 1;
        buf_append(to, span_of((char[]){(char)((len < 7 ? len : 7) << 5 | offset >> 8)}, 1));
        if (len >= 7)
            buf_append(to, span_of((char[]){(char)(len - 7)}, 1));
        buf_append(to, span_of((char[]){(char)offset}, 1));
        at += same;
    }
    require(!to->oom, "no memory");
}

// Expands `packed`, up to `step` bytes of it at a time. Returns false when it is damaged or a part
// of an item is left over.
static bool expand(struct lzf *l, struct span packed, size_t step, struct buf *to)
{
    size_t used = 0;
    lzf_begin(l);
    while (used < packed.len) {
        struct span piece;
        struct guard guard = {0};
        size_t len = packed.len - used < step ? packed.len - used : step;
        struct bytes copy = guard_copy(&guard, span_of(packed.ptr + used, len));
        struct span from = span_of(copy.ptr, copy.len);
        bool good = lzf_expand(l, &from, &piece);
        if (good)
            buf_append(to, piece);
        guard_release(&guard);
        if (!good || (from.len == len && len == packed.len - used))
            return false;
        used += len - from.len;
        // A whole item needs more bytes than were given.
        step = from.len == len ? step + LZF_ITEM_MOST : step;
    }
    return true;
}

// `letters` different bytes: a few give many long references.
static void check_random(struct lzf *l, struct random *r, size_t len, unsigned letters, size_t step)
{
    struct buf packed = {0};
    struct buf result = {0};
    char *text = malloc(len + 1);
    require(text != NULL, "no memory");
    for (size_t i = 0; i < len; i++)
        text[i] = (char)random_below(r, letters);
    pack(r, span_of(text, len), &packed);
    bool good = expand(l, buf_span(&packed), step, &result);
    ok(good && span_equal(buf_span(&result), span_of(text, len)),
       "%zu bytes, %u letters, packed to %zu, %zu at a time", len, letters, packed.len, step);
    free(text);
    buf_release(&packed);
    buf_release(&result);
}

static void check_item(struct lzf *l, struct span packed, const char *wanted, const char *name)
{
    struct buf result = {0};
    bool good = expand(l, packed, 100, &result);
    if (wanted == NULL)
        ok(!good, "%s: refused", name);
    else
        ok(good && span_equal(buf_span(&result), span_text(wanted)), "%s", name);
    buf_release(&result);
}

// A reference reaches back 8192 bytes and no further, also when the window has moved.
static void check_reach(struct lzf *l, size_t before)
{
    struct buf packed = {0};
    struct buf result = {0};
    for (size_t i = 0; i < before; i++)
        buf_append(&packed, span_of((char[]){0, (char)(i % 251)}, 2));
    buf_append(&packed, span_of("\x3f\xff", 2)); // 3 bytes that began 8192 bytes ago
    bool good = expand(l, buf_span(&packed), packed.len, &result);
    if (before < REACH_MOST) {
        ok(!good, "no 8192 bytes after %zu", before);
    } else {
        bool same = good && result.len == before + 3;
        for (size_t i = before; same && i < result.len; i++)
            same = result.ptr[i] == result.ptr[i - REACH_MOST];
        ok(same, "8192 bytes back after %zu", before);
    }
    buf_release(&packed);
    buf_release(&result);
}

int main(void)
{
    struct random r = random_seeded();
    struct lzf *l = malloc(sizeof *l);
    require(l != NULL, "no memory");
    check_item(l, span_of("\2abc", 4), "abc", "literals");
    check_item(l, span_of("\0a\x20\0", 4), "aaaa", "the shortest reference");
    check_item(l, span_of("\0a\xe0\0\0", 5), "aaaaaaaaaa", "the shortest long reference");
    check_item(l, span_of("\1ab\x40\1", 5), "ababab", "a reference that overlaps itself");
    check_item(l, span_of("\x20\0", 2), NULL, "a reference at the beginning");
    check_item(l, span_of("\0a\x20\1", 4), NULL, "a reference to before the beginning");
    check_item(l, span_of("\3abc", 4), NULL, "literals that were cut");
    check_item(l, span_of("\0a\x20", 3), NULL, "a reference that was cut");
    check_item(l, span_of("\0a\xe0\0", 4), NULL, "a long reference that was cut");
    for (size_t before = REACH_MOST - 1; before < 10 * LZF_ROOM; before += 1 + before / 2)
        check_reach(l, before);
    check_reach(l, REACH_MOST);
    for (unsigned letters = 1; letters <= 256; letters *= 4)
        for (size_t step = 1; step < 100000; step *= 17)
            check_random(l, &r, random_below(&r, TEXT_MOST), letters, step);
    check_random(l, &r, TEXT_MOST, 2, TEXT_MOST);
    check_random(l, &r, 0, 2, 10);
    free(l);
    return done_testing();
}
