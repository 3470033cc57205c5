// DUMP: replies with a value in the form that RESTORE of Redis accepts, the form of strings in RDB
// files: a type, the length, the bytes, a version and a checksum. Values are never compressed,
// which RESTORE accepts.
//
// The handler computes the checksum of a long value in steps of 4 KiB, over several turns. The
// value itself is sent from the mapping.
#include "base/crc64.h"
#include "base/number.h"
#include "commands/groups.h"
#include "commands/long_value.h"
#include "commands/rows.h"
#include "serve/session.h"

enum {
    TYPE_STRING = 0,
    VERSION = 10, // RDB version of Redis 7.0; older versions of Redis cannot read it
    VERSION_SIZE = 2,
    CHECKSUM_SIZE = 8,
    INTEGER_TEXT_MAX = 11, // bytes of the longest text of a 32-bit integer
    // A value that is the text of a 32-bit integer is stored as one of these bytes and the integer.
    INTEGER_8 = 0xc0,  // the next byte is the integer
    INTEGER_16 = 0xc1, // the next 2 bytes are the integer
    INTEGER_32 = 0xc2, // the next 4 bytes are the integer
    // A length below 64 is one byte. A longer one begins with one of these bytes:
    LENGTH_14 = 0x40, // the low 6 bits of this byte, and the next byte, are the length
    LENGTH_32 = 0x80, // the next 4 bytes are the length
    LENGTH_64 = 0x81, // the next 8 bytes are the length
    HEAD_MAX = 16,
    STEP = 4096,         // bytes of a value in one step; then the turn may be over
    BYTES_PER_WORK = 64, // bytes whose checksum is computed in one unit of work
};

// Writes the `size` low bytes of `number` to `to`. Returns `size`.
static size_t put_number(char *to, uint64_t number, unsigned size, bool high_first)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (char)(number >> 8 * (high_first ? size - 1 - i : i));
    return size;
}

// Writes a length to `to`. Returns the number of bytes written.
static size_t put_length(char *to, uint64_t len)
{
    if (len < 1u << 6)
        return put_number(to, len, 1, true);
    if (len < 1u << 14)
        return put_number(to, LENGTH_14 << 8 | len, 2, true);
    bool wide = len > UINT32_MAX;
    to[0] = (char)(wide ? LENGTH_64 : LENGTH_32);
    return 1 + put_number(to + 1, len, wide ? 8 : 4, true);
}

// Writes the head, which precedes the bytes of the value, to `to`. Returns its length. If the value
// is the text of an integer of at most 32 bits, the head contains it and `*value` becomes empty.
static size_t put_head(char *to, struct span *value)
{
    int64_t n;
    to[0] = TYPE_STRING;
    if (value->len > INTEGER_TEXT_MAX || !number_parse(*value, &n) || n < INT32_MIN ||
        n > INT32_MAX)
        return 1 + put_length(to + 1, value->len);
    unsigned size = n >= INT8_MIN && n <= INT8_MAX ? 1 : n >= INT16_MIN && n <= INT16_MAX ? 2 : 4;
    value->len = 0;
    to[1] = (char)(size == 1 ? INTEGER_8 : size == 2 ? INTEGER_16 : INTEGER_32);
    return 2 + put_number(to + 2, (uint64_t)n, size, false);
}

// `s->request.cursor` is 0 until the checksum of the head is computed, then 1 + the number of bytes
// of the value that the checksum covers. `s->request.sum` is the checksum so far.
static enum command_result dump_command(struct session *s, const struct resp_request *r)
{
    char head[HEAD_MAX];
    char foot[VERSION_SIZE + CHECKSUM_SIZE];
    struct span value;
    enum lookup lookup = long_value_look_up(s, r, 1, &value);
    if (lookup == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    if (lookup == LOOKUP_MISSED) {
        long_value_forget(s);
        resp_null(&s->reply);
        return COMMAND_DONE;
    }
    size_t head_len = put_head(head, &value);
    if (s->request.cursor == 0) {
        s->request.sum = crc64(0, span_of(head, head_len));
        s->request.cursor = 1;
    }
    while (s->request.cursor - 1 < value.len) {
        size_t from = (size_t)s->request.cursor - 1;
        size_t step = value.len - from < STEP ? value.len - from : STEP;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        session_charge(s, step / BYTES_PER_WORK);
        s->request.sum = crc64(s->request.sum, span_of(value.ptr + from, step));
        s->request.cursor += step;
    }
    put_number(foot, VERSION, VERSION_SIZE, false);
    put_number(foot + VERSION_SIZE, crc64(s->request.sum, span_of(foot, VERSION_SIZE)),
               CHECKSUM_SIZE, false);
    resp_bulk_framed(&s->reply, span_of(head, head_len), value, span_of(foot, sizeof foot),
                     &session_snapshot(s)->ref);
    long_value_forget(s);
    return COMMAND_DONE;
}

// An empty library of functions: only a version and a checksum.
static enum command_result function_dump_command(struct session *s, const struct resp_request *r)
{
    char foot[VERSION_SIZE + CHECKSUM_SIZE];
    (void)r;
    put_number(foot, VERSION, VERSION_SIZE, false);
    put_number(foot + VERSION_SIZE, crc64(0, span_of(foot, VERSION_SIZE)), CHECKSUM_SIZE, false);
    resp_bulk(&s->reply, span_of(foot, sizeof foot));
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

const struct command dump_commands[] = {
    {"dump", 2, READONLY, ONE_KEY, "RO access", GROUP_GENERIC, "2.6.0", 0, dump_command,
     "Returns the value of a key in the format that RESTORE accepts",
     "O(N) where N is the length of the value", "nondeterministic_output", argument_key,
     .deviation = "The value is never compressed. `RESTORE` accepts that."},
    {"function|dump",
     2,
     NOSCRIPT,
     {0, 0, 0},
     "",
     GROUP_SCRIPTING,
     "7.0.0",
     0,
     function_dump_command,
     "Returns an empty library of functions in the format that FUNCTION RESTORE accepts",
     "O(1)"},
    {0},
};
