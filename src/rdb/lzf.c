// Each call expands items to the end of `out`. Before that it moves the last 8 KiB to the front if
// there is no room for another item.
#include "rdb/lzf.h"

enum {
    LITERALS_BELOW = 32, // a first byte below this announces bytes that stand for themselves
    LENGTH_FOLLOWS = 7,  // length in the first byte that says that a byte with more follows
    LENGTH_LEAST = 2,    // what is added to the length of a reference
};

// Appends `len` bytes that began `distance` bytes ago. They may overlap with what they are copied
// to: a distance of 1 repeats one byte.
static void repeat(struct lzf *l, size_t distance, size_t len)
{
    char *to = l->out + l->len;
    const char *from = to - distance;
    l->len += len;
    if (distance >= len)
        memcpy(to, from, len);
    else
        for (size_t i = 0; i < len; i++)
            to[i] = from[i];
}

bool lzf_expand(struct lzf *l, struct span *from, struct span *piece)
{
    const unsigned char *at = (const unsigned char *)from->ptr;
    const unsigned char *end = at + from->len;
    size_t begin;
    bool good = true;
    if (sizeof l->out - l->len < LZF_EXPANDED_MOST) {
        memmove(l->out, l->out + l->len - LZF_WINDOW, LZF_WINDOW);
        l->len = LZF_WINDOW;
    }
    begin = l->len;
    while (good && at < end && sizeof l->out - l->len >= LZF_EXPANDED_MOST) {
        size_t left = (size_t)(end - at);
        size_t len = at[0] >> 5;
        if (at[0] < LITERALS_BELOW) {
            len = at[0] + 1u;
            if (left < 1 + len)
                break;
            memcpy(l->out + l->len, at + 1, len);
            l->len += len;
            at += 1 + len;
            continue;
        }
        size_t size = len == LENGTH_FOLLOWS ? 3 : 2;
        if (left < size)
            break;
        size_t distance = ((at[0] & 31u) << 8 | at[size - 1]) + 1u;
        len += LENGTH_LEAST + (size == 3 ? at[1] : 0u);
        good = distance <= l->len;
        if (good)
            repeat(l, distance, len);
        at += size;
    }
    *piece = span_of(l->out + begin, l->len - begin);
    *from = span_of((const char *)at, (size_t)(end - at));
    return good;
}
