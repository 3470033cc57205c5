// The two highest bits of the first byte say how a length or a string is stored.
#include "rdb/string.h"

#include <stdio.h>

#include "rdb/input.h"

enum {
    LENGTH_6 = 0,  // the other six bits are the length
    LENGTH_14 = 1, // the other six bits and the next byte are the length
    LENGTH_LONG = 2,
    SPECIAL = 3,       // the other six bits say how the string is stored
    LENGTH_32 = 0x80,  // the next 4 bytes are the length
    LENGTH_64 = 0x81,  // the next 8 bytes are the length
    INTEGER_8 = 0xc0,  // the next byte is an integer
    INTEGER_16 = 0xc1, // the next 2 bytes are an integer
    INTEGER_32 = 0xc2, // the next 4 bytes are an integer
    LZF = 0xc3,        // the compressed length, the length, the compressed bytes
};

// Reads the rest of a length after its first byte.
static bool rest_of_length(struct rdb_input *in, unsigned first, uint64_t *length)
{
    *length = first & 0x3f;
    if (first >> 6 == LENGTH_6)
        return true;
    if (first >> 6 == LENGTH_14) {
        uint64_t low;
        if (!rdb_input_number(in, 1, &low))
            return false;
        *length = *length << 8 | low;
        return true;
    }
    if (first == LENGTH_32 || first == LENGTH_64)
        return rdb_input_number_high_first(in, first == LENGTH_32 ? 4 : 8, length);
    return rdb_input_fail(in, rdb_input_offset(in) - 1, "0x%02x is not the beginning of a length",
                          first);
}

bool rdb_length(struct rdb_input *in, uint64_t *length)
{
    uint64_t first;
    return rdb_input_number(in, 1, &first) && rest_of_length(in, (unsigned)first, length);
}

static bool read_integer(struct rdb_string *s, struct rdb_input *in, unsigned size)
{
    uint64_t bits;
    if (!rdb_input_number(in, size, &bits))
        return false;
    long long number = size == 1 ? (int8_t)bits : size == 2 ? (int16_t)bits : (int32_t)bits;
    s->form = RDB_INTEGER;
    s->left = (uint64_t)snprintf(s->digits, sizeof s->digits, "%lld", number);
    return true;
}

bool rdb_string_begin(struct rdb_string *s, struct rdb_input *in)
{
    uint64_t first;
    s->form = RDB_PLAIN;
    s->begin = rdb_input_offset(in);
    if (!rdb_input_number(in, 1, &first))
        return false;
    if (first >> 6 != SPECIAL)
        return rest_of_length(in, (unsigned)first, &s->left);
    switch (first) {
    case INTEGER_8: return read_integer(s, in, 1);
    case INTEGER_16: return read_integer(s, in, 2);
    case INTEGER_32: return read_integer(s, in, 4);
    case LZF:
        s->form = RDB_COMPRESSED;
        lzf_begin(&s->lzf);
        return rdb_length(in, &s->packed) && rdb_length(in, &s->left);
    default:
        return rdb_input_fail(in, s->begin, "0x%02x is not the beginning of a string",
                              (unsigned)first);
    }
}

// Returns the next bytes of the input, but at most `most`.
static struct span peek(struct rdb_input *in, size_t least, uint64_t most)
{
    struct span bytes = rdb_input_peek(in, least);
    return span_of(bytes.ptr, bytes.len < most ? bytes.len : (size_t)most);
}

static bool damaged(const struct rdb_string *s, struct rdb_input *in)
{
    return rdb_input_fail(in, s->begin, "a compressed string is damaged");
}

// Expands the items that the buffer holds. The buffer is asked for the bytes of the longest item,
// so it always holds one, unless the last item is not complete.
static bool next_expanded(struct rdb_string *s, struct rdb_input *in, struct span *piece)
{
    if (s->packed == 0)
        return s->left == 0 || damaged(s, in);
    size_t least = s->packed < LZF_ITEM_MOST ? (size_t)s->packed : LZF_ITEM_MOST;
    struct span all = peek(in, least, s->packed);
    struct span rest = all;
    if (all.len == 0)
        return false;
    if (!lzf_expand(&s->lzf, &rest, piece) || piece->len == 0 || piece->len > s->left)
        return damaged(s, in);
    rdb_input_use(in, all.len - rest.len);
    s->packed -= all.len - rest.len;
    s->left -= piece->len;
    return true;
}

bool rdb_string_next(struct rdb_string *s, struct rdb_input *in, struct span *piece)
{
    *piece = span_of("", 0);
    if (s->form == RDB_COMPRESSED)
        return next_expanded(s, in, piece);
    if (s->left == 0)
        return true;
    *piece = s->form == RDB_INTEGER ? span_of(s->digits, (size_t)s->left) : peek(in, 1, s->left);
    if (s->form == RDB_PLAIN)
        rdb_input_use(in, piece->len);
    s->left -= piece->len;
    return piece->len > 0;
}

bool rdb_string_skip(struct rdb_string *s, struct rdb_input *in)
{
    if (!rdb_string_begin(s, in))
        return false;
    if (s->form == RDB_INTEGER)
        return true;
    return rdb_input_skip(in, s->form == RDB_COMPRESSED ? s->packed : s->left);
}
