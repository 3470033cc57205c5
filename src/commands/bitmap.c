// The bitmap group: reads single bits, counts and searches bits, and extracts integers. Bit 0 of a
// value is the highest bit of its first byte.
//
// A value may be as long as the file, so a handler counts or searches 4 KiB per step. When the turn
// may do no more work (groups.h), the handler returns and continues in the next turn.
#include "base/number.h"
#include "commands/groups.h"
#include "commands/long_value.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/session.h"

enum {
    STEP = 4096,          // bytes counted or searched in one step; then the turn may be over
    BYTES_PER_WORK = 256, // bytes counted or searched in one unit of work
};

// Bit offsets must be below this, as in Redis: the number of bits in its largest value, 512 MiB.
#define OFFSET_END (INT64_C(512) * 1024 * 1024 * 8)

// A range of bits of a value.
struct bit_range {
    uint64_t first; // offset of the first bit
    uint64_t last;  // offset of the last bit, which belongs to the range
    bool empty;     // no bit is in the range; `first` and `last` mean nothing
    bool end_given; // the client named the end of the range
};

// Reads "bit" or "byte" into `*bits`. Replies with an error and returns false for other words.
static bool parse_unit(struct session *s, struct span word, bool *bits)
{
    *bits = span_is(word, "bit");
    if (*bits || span_is(word, "byte"))
        return true;
    reply_syntax_error(s);
    return false;
}

// A range as in a request. Positions count from 0, or from the end of the value if negative.
struct requested_range {
    int64_t start; // first position
    int64_t end;   // last position, which belongs to the range
    bool bits;     // positions are bits, not bytes
};

// Returns the part of the range that lies within a value of `len` bytes, cut as Redis cuts it.
static struct bit_range cut_range(struct requested_range requested, size_t len)
{
    int64_t total = (int64_t)len * (requested.bits ? 8 : 1);
    int64_t start = requested.start < 0 ? requested.start + total : requested.start;
    int64_t end = requested.end < 0 ? requested.end + total : requested.end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= total ? total - 1 : end;
    struct bit_range range = {.empty = start > end};
    if (!range.empty) {
        range.first = (uint64_t)start * (requested.bits ? 1 : 8);
        range.last = (uint64_t)end * (requested.bits ? 1 : 8) + (requested.bits ? 0 : 7);
    }
    return range;
}

// Returns a mask of the bits of byte `i` that are in the range.
static unsigned mask_of(const struct bit_range *range, uint64_t i)
{
    unsigned mask = 0xff;
    if (i == range->first / 8)
        mask &= 0xffu >> (range->first % 8);
    if (i == range->last / 8)
        mask &= 0xffu << (7 - range->last % 8);
    return mask;
}

static uint64_t count_bits(const char *at, size_t len)
{
    uint64_t count = 0;
    uint64_t word;
    for (; len >= sizeof word; len -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        count += (uint64_t)__builtin_popcountll(word);
    }
    for (; len > 0; len--, at++)
        count += (uint64_t)__builtin_popcount((unsigned char)*at);
    return count;
}

// Starts a step: returns how many of the `left` bytes to process in it, and charges the turn for
// them. Returns 0 if the turn is over.
static size_t next_step(struct session *s, uint64_t left)
{
    size_t step = left < STEP ? (size_t)left : STEP;
    if (!session_may_go_on(s))
        return 0;
    session_charge(s, step / BYTES_PER_WORK);
    return step;
}

// ---- GETBIT -------------------------------------------------------------------------------------

static bool get_bit(struct span value, uint64_t offset)
{
    uint64_t i = offset / 8;
    return i < value.len && ((unsigned char)value.ptr[i] >> (7 - offset % 8) & 1) != 0;
}

// Reads a bit offset. With a leading '#', the number is multiplied by `unit`, the width of a field
// in bits; a `unit` of 0 does not allow '#'. Replies with an error and returns false if `text` is
// not an offset.
static bool parse_offset(struct session *s, struct span text, unsigned unit, int64_t *offset)
{
    bool in_units = unit > 0 && text.len > 0 && text.ptr[0] == '#';
    struct span digits = in_units ? span_of(text.ptr + 1, text.len - 1) : text;
    if (number_parse(digits, offset) &&
        (!in_units || !__builtin_mul_overflow(*offset, (int64_t)unit, offset)) && *offset >= 0 &&
        *offset < OFFSET_END)
        return true;
    resp_error(&s->reply, "ERR bit offset is not an integer or out of range");
    return false;
}

static enum command_result getbit_command(struct session *s, const struct resp_request *r)
{
    struct span value = {NULL, 0};
    int64_t offset;
    if (!parse_offset(s, resp_arg(r, 2), 0, &offset))
        return COMMAND_DONE;
    if (session_look_up(s, r, 1, &value) == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    resp_integer(&s->reply, get_bit(value, (uint64_t)offset));
    return COMMAND_DONE;
}

// ---- BITCOUNT -----------------------------------------------------------------------------------

// Reads which bits BITCOUNT counts. Replies with an error and returns false if the request is
// invalid.
static bool parse_count(struct session *s, const struct resp_request *r,
                        struct requested_range *requested)
{
    *requested = (struct requested_range){0, -1, false};
    if (r->argc == 3 || r->argc > 5) {
        reply_syntax_error(s);
        return false;
    }
    if (r->argc > 3 && (!reply_unless_integer(s, resp_arg(r, 2), &requested->start) ||
                        !reply_unless_integer(s, resp_arg(r, 3), &requested->end)))
        return false;
    return r->argc < 5 || parse_unit(s, resp_arg(r, 4), &requested->bits);
}

// `s->request.cursor` is 0 until the value is found, then 1 + the number of bytes already counted.
// `s->request.sum` is the number of bits set in these bytes. As Redis does since 7.2, checks the
// arguments even if the key does not exist.
static enum command_result bitcount_command(struct session *s, const struct resp_request *r)
{
    struct span value = {NULL, 0};
    struct bit_range range = {.empty = true};
    struct requested_range requested;
    if (!parse_count(s, r, &requested))
        return COMMAND_DONE;
    enum lookup lookup = long_value_look_up(s, r, 1, &value);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    bool backwards = requested.start < 0 && requested.end < 0 && requested.start > requested.end;
    if (lookup == LOOKUP_FOUND && !backwards)
        range = cut_range(requested, value.len);
    while (!range.empty) {
        uint64_t from = range.first / 8 + (s->request.cursor > 0 ? s->request.cursor - 1 : 0);
        uint64_t end = range.last / 8 + 1;
        if (from >= end)
            break;
        size_t step = next_step(s, end - from);
        s->request.cursor = s->request.cursor > 0 ? s->request.cursor : 1;
        if (step == 0)
            return COMMAND_AGAIN;
        s->request.sum += count_bits(value.ptr + from, step);
        s->request.cursor += step;
    }
    if (!range.empty) {
        // The loop counted the first and last byte in full; subtract their bits outside the range.
        unsigned first = (unsigned char)value.ptr[range.first / 8];
        unsigned last = (unsigned char)value.ptr[range.last / 8];
        s->request.sum -= (uint64_t)__builtin_popcount(first & ~(0xffu >> (range.first % 8)));
        s->request.sum -= (uint64_t)__builtin_popcount(last & (0x7fu >> (range.last % 8)));
    }
    resp_integer(&s->reply, (int64_t)s->request.sum);
    long_value_forget(s);
    return COMMAND_DONE;
}

// ---- BITPOS -------------------------------------------------------------------------------------

// Reads which bits BITPOS searches, and for which bit. Replies with an error and returns false if
// the request is invalid.
static bool parse_search(struct session *s, const struct resp_request *r, int64_t *bit,
                         struct requested_range *requested)
{
    *requested = (struct requested_range){0, -1, false};
    if (!reply_unless_integer(s, resp_arg(r, 2), bit))
        return false;
    if (*bit != 0 && *bit != 1) {
        resp_error(&s->reply, "ERR The bit argument must be 1 or 0.");
        return false;
    }
    if (r->argc > 6) {
        reply_syntax_error(s);
        return false;
    }
    if (r->argc > 3 && !reply_unless_integer(s, resp_arg(r, 3), &requested->start))
        return false;
    if (r->argc == 6 && !parse_unit(s, resp_arg(r, 5), &requested->bits))
        return false;
    if (r->argc > 4 && !reply_unless_integer(s, resp_arg(r, 4), &requested->end))
        return false;
    return true;
}

// Returns the number of bytes before the first one that differs from `empty_byte`; `len` if none
// differs.
static size_t skip_bytes(const char *at, size_t len, unsigned char empty_byte)
{
    size_t i = 0;
    uint64_t word;
    uint64_t empty_word = empty_byte * UINT64_C(0x0101010101010101);
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        if (word != empty_word)
            break;
    }
    while (i < len && (unsigned char)at[i] == empty_byte)
        i++;
    return i;
}

// Searches the bytes from `from` up to, but not including, `end` for the first bit of the range
// that equals `bit`. Returns its offset in the value, or -1 if there is none.
static int64_t find_bit(struct span value, const struct bit_range *range, bool bit, uint64_t from,
                        uint64_t end)
{
    unsigned char empty_byte = bit ? 0 : 0xff; // has no bit that equals `bit`
    while (from < end) {
        from += skip_bytes(value.ptr + from, (size_t)(end - from), empty_byte);
        if (from == end)
            break;
        unsigned byte = (unsigned char)value.ptr[from];
        unsigned wanted = (bit ? byte : ~byte) & mask_of(range, from);
        if (wanted != 0)
            return (int64_t)(from * 8) + __builtin_clz(wanted) - 24;
        from++;
    }
    return -1;
}

// Searches the range in steps and replies with the offset found, or -1. `s->request.cursor` is 0 at
// first, then 1 + the number of bytes already searched.
static enum command_result search(struct session *s, struct span value,
                                  const struct bit_range *range, bool bit)
{
    uint64_t end = range->last / 8 + 1;
    int64_t found = -1;
    while (found < 0) {
        uint64_t from = range->first / 8 + (s->request.cursor > 0 ? s->request.cursor - 1 : 0);
        if (from >= end)
            break;
        size_t step = next_step(s, end - from);
        s->request.cursor = s->request.cursor > 0 ? s->request.cursor : 1;
        if (step == 0)
            return COMMAND_AGAIN;
        found = find_bit(value, range, bit, from, from + step);
        s->request.cursor += step;
    }
    // As in Redis, a value without a clear bit is treated as if zeros followed it, unless the
    // client named an end.
    if (found < 0 && !bit && !range->end_given)
        found = (int64_t)(end * 8);
    resp_integer(&s->reply, found);
    return COMMAND_DONE;
}

static enum command_result bitpos_command(struct session *s, const struct resp_request *r)
{
    enum command_result result = COMMAND_DONE;
    struct span value = {NULL, 0};
    struct requested_range requested;
    int64_t bit;
    if (!parse_search(s, r, &bit, &requested))
        return COMMAND_DONE;
    enum lookup lookup = long_value_look_up(s, r, 1, &value);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    if (lookup == LOOKUP_MISSED) {
        resp_integer(&s->reply, bit == 1 ? -1 : 0);
    } else {
        struct bit_range range = cut_range(requested, value.len);
        range.end_given = r->argc > 4;
        if (range.empty)
            resp_integer(&s->reply, -1);
        else
            result = search(s, value, &range, bit == 1);
    }
    if (result == COMMAND_DONE)
        long_value_forget(s);
    return result;
}

// ---- BITFIELD_RO --------------------------------------------------------------------------------

// The type of an integer within a value, such as "i16" or "u8".
struct field {
    bool has_sign; // 'i', not 'u'
    unsigned bits; // width
};

// Reads a type. Replies with an error and returns false if `text` is not a type.
static bool parse_type(struct session *s, struct span text, struct field *type)
{
    int64_t bits;
    char kind = text.len > 0 ? text.ptr[0] : '\0';
    type->has_sign = kind == 'i';
    if ((kind == 'i' || kind == 'u') && number_parse(span_of(text.ptr + 1, text.len - 1), &bits) &&
        bits >= 1 && bits <= (kind == 'i' ? 64 : 63)) {
        type->bits = (unsigned)bits;
        return true;
    }
    resp_error(&s->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
                          "not supported but i64 is.");
    return false;
}

static int64_t get_field(struct span value, struct field type, uint64_t offset)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < type.bits; i++)
        number = number << 1 | get_bit(value, offset + i);
    bool negative = type.has_sign && (number >> (type.bits - 1) & 1) != 0;
    if (negative && type.bits < 64)
        number |= UINT64_MAX << type.bits;
    return (int64_t)number;
}

// Checks the operation that begins at argument `i`, and sets whether it reads or writes a field.
// Returns its number of words. Replies with an error and returns 0 if it is invalid.
static uint32_t check_operation(struct session *s, const struct resp_request *r, uint32_t i,
                                bool *reads, bool *writes)
{
    struct span word = resp_arg(r, i);
    uint32_t words_after = r->argc - i - 1;
    struct field type;
    int64_t number;
    *reads = words_after >= 2 && span_is(word, "get");
    *writes = words_after >= 3 && (span_is(word, "set") || span_is(word, "incrby"));
    if (!*reads && !*writes) {
        bool overflow = words_after >= 1 && span_is(word, "overflow");
        struct span how = overflow ? resp_arg(r, i + 1) : span_of(NULL, 0);
        if (span_is(how, "wrap") || span_is(how, "sat") || span_is(how, "fail"))
            return 2;
        resp_error(&s->reply,
                   overflow ? "ERR Invalid OVERFLOW type specified" : "ERR syntax error");
        return 0;
    }
    if (!parse_type(s, resp_arg(r, i + 1), &type) ||
        !parse_offset(s, resp_arg(r, i + 2), type.bits, &number))
        return 0;
    if (*writes && !number_parse(resp_arg(r, i + 3), &number)) {
        reply_not_an_integer(s);
        return 0;
    }
    return *reads ? 3 : 4;
}

enum check {
    CHECK_GOOD,  // all operations are valid reads
    CHECK_BAD,   // the error has been written
    CHECK_AGAIN, // the turn is over: call again in the next one
};

// Checks all operations, before any of them is answered. `s->request.cursor` is the argument to
// continue with. `s->request.sum` is the number of reads; its highest bit is set if an operation
// writes.
static enum check check_operations(struct session *s, const struct resp_request *r)
{
    const uint64_t wrote = UINT64_C(1) << 63;
    bool reads;
    bool writes;
    for (s->request.cursor = s->request.cursor > 0 ? s->request.cursor : 2;
         s->request.cursor < r->argc;) {
        if (!session_may_go_on(s))
            return CHECK_AGAIN;
        uint32_t words = check_operation(s, r, (uint32_t)s->request.cursor, &reads, &writes);
        if (words == 0)
            return CHECK_BAD;
        s->request.sum += reads;
        s->request.sum |= writes ? wrote : 0;
        s->request.cursor += words;
    }
    if ((s->request.sum & wrote) == 0)
        return CHECK_GOOD;
    resp_error(&s->reply, "ERR BITFIELD_RO only supports the GET subcommand");
    return CHECK_BAD;
}

// Passes over the words twice: first to check them, then to answer. `s->request.cursor` is the next
// argument in the first pass, and `argc` + the next argument in the second. Between the passes,
// while the value is searched for, it is `argc`.
static enum command_result bitfield_ro_command(struct session *s, const struct resp_request *r)
{
    struct span value = {NULL, 0};
    if (s->request.cursor <= r->argc) {
        enum check checked = check_operations(s, r);
        if (checked != CHECK_GOOD)
            return checked == CHECK_AGAIN ? COMMAND_AGAIN : COMMAND_DONE;
        s->request.cursor = 0; // when this is 0, long_value_look_up searches for the value
        enum lookup lookup = long_value_look_up(s, r, 1, &value);
        s->request.cursor = r->argc;
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        resp_array(&s->reply, s->request.sum);
        s->request.cursor = (uint64_t)r->argc + 2;
    } else {
        long_value_look_up(s, r, 1, &value);
    }
    while (s->request.cursor < 2 * (uint64_t)r->argc) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        uint32_t i = (uint32_t)(s->request.cursor - r->argc);
        struct field type;
        int64_t offset;
        bool overflow = !span_is(resp_arg(r, i), "get");
        s->request.cursor += overflow ? 2 : 3;
        if (!overflow && parse_type(s, resp_arg(r, i + 1), &type) &&
            parse_offset(s, resp_arg(r, i + 2), type.bits, &offset))
            resp_integer(&s->reply, get_field(value, type, (uint64_t)offset));
    }
    long_value_forget(s);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument byte_or_bit[] = {
    {"byte", "pure-token", "BYTE", 0, NULL}, {"bit", "pure-token", "BIT", 0, NULL}, {0}};
static const struct command_argument bit_range[] = {
    {"start", "integer", NULL, 0, NULL},
    {"end", "integer", NULL, 0, NULL},
    {"index_unit", "oneof", NULL, ARGUMENT_OPTIONAL, byte_or_bit},
    {0}};
static const struct command_argument bitcount_words[] = {
    {"key", "key", NULL, 0, NULL}, {"index", "block", NULL, ARGUMENT_OPTIONAL, bit_range}, {0}};
static const struct command_argument encoding_and_offset[] = {
    {"encoding", "string", NULL, 0, NULL}, {"offset", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument bitfield_ro_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"encoding_offset", "block", "GET", ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, encoding_and_offset},
    {0}};
static const struct command_argument bitpos_range[] = {
    {"start", "integer", NULL, 0, NULL},
    {"end", "integer", NULL, ARGUMENT_OPTIONAL, NULL},
    {"index_unit", "oneof", NULL, ARGUMENT_OPTIONAL, byte_or_bit},
    {0}};
static const struct command_argument bitpos_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"bit", "integer", NULL, 0, NULL},
    {"index", "block", NULL, ARGUMENT_OPTIONAL, bitpos_range},
    {0}};
static const struct command_argument key_and_offset[] = {
    {"key", "key", NULL, 0, NULL}, {"offset", "integer", NULL, 0, NULL}, {0}};

const struct command bitmap_commands[] = {
    {"bitcount", -2, READONLY, ONE_KEY, "RO access", GROUP_BITMAP, "2.6.0", 0, bitcount_command,
     "Returns how many bits are set in a value or in a part of it",
     "O(N) where N is the number of bytes counted", NULL, bitcount_words},
    {"bitfield_ro", -2, READONLY | FAST, ONE_KEY, "RO access", GROUP_BITMAP, "6.0.0", 0,
     bitfield_ro_command, "Returns integers of any width, read at bit offsets of a value",
     "O(N) where N is the number of integers", NULL, bitfield_ro_words},
    {"bitpos", -3, READONLY, ONE_KEY, "RO access", GROUP_BITMAP, "2.8.7", 0, bitpos_command,
     "Returns the position of the first set or clear bit in a value or in a part of it",
     "O(N) where N is the number of bytes searched", NULL, bitpos_words},
    {"getbit", 3, READONLY | FAST, ONE_KEY, "RO access", GROUP_BITMAP, "2.2.0", 0, getbit_command,
     "Returns the bit at an offset of a value", "O(1)", NULL, key_and_offset},
    {0},
};
