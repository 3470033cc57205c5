// Commands that process whole values: bits, LCS and DUMP. Their results are compared with those of
// the simplest algorithms. Long values take several turns. A client that leaves leaks no memory.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/session.h"
#include "support/tap.h"
#include "unit/support/ask.h"

enum {
    VALUES = 40,
    LENGTH_MAX = 300,
    LONG = 1024 * 1024,
    LONG_KEY = VALUES, // key of a value of LONG bytes
    TOO_LONG_KEY,      // key of a value that is too long for LCS
    MEDIUM_KEY,        // key of a value of MEDIUM bytes, which LCS accepts
    MEDIUM = 2048,
    TURNS_MAX = 1000000,
};

static struct ask a;
static struct span values[VALUES + 3];
static struct buf lines;

// Returns the text of key `i`, which is valid until the fourth call after this one.
static const char *key_of(unsigned i)
{
    static char text[4][37];
    static unsigned next;
    char *key = text[next++ % 4];
    snprintf(key, 37, "00000000-0000-4000-8000-%012u", i);
    return key;
}

// Adds key `i` with a value of `len` bytes. With `kinds` 1, all bytes are 0; with 2, some are 0xff;
// with more, some are letters.
static void add_value(struct random *r, unsigned i, size_t len, unsigned kinds)
{
    char *value = malloc(len + 1);
    require(value != NULL, "memory");
    for (size_t at = 0; at < len; at++) {
        unsigned kind = (unsigned)random_below(r, kinds);
        value[at] = kind == 0 ? '\0' : kind == 1 ? '\xff' : (char)('a' + kind % 4);
    }
    values[i] = span_of(value, len);
    buf_printf(&lines, "%s ", key_of(i));
    buf_append(&lines, values[i]);
    buf_append_text(&lines, "\n");
}

static void open_values(struct random *r)
{
    for (unsigned i = 0; i < VALUES; i++)
        add_value(r, i, random_below(r, LENGTH_MAX), i % 4 == 0 ? 1 : i % 4 == 1 ? 2 : 6);
    add_value(r, LONG_KEY, LONG, 6);
    add_value(r, TOO_LONG_KEY, MEDIUM + 1, 6);
    add_value(r, MEDIUM_KEY, MEDIUM, 6);
    ask_open(&a, buf_span(&lines));
}

static int64_t ask_number(const char *command, unsigned *turns)
{
    struct buf reply = ask_turns(&a, command, TURNS_MAX, turns);
    buf_append(&reply, span_of("", 1));
    require(reply.ptr[0] == ':', "%s: %s", command, reply.ptr);
    int64_t number = atoll(reply.ptr + 1);
    buf_release(&reply);
    return number;
}

static bool bit_of(struct span value, uint64_t i)
{
    return i / 8 < value.len && ((unsigned char)value.ptr[i / 8] >> (7 - i % 8) & 1) != 0;
}

// ---- bits ---------------------------------------------------------------------------------------

struct wanted_bits {
    int64_t count; // number of set bits
    int64_t first; // offset of the first bit that equals `bit`; -1: none
};

// Counts and searches bits one by one, as Redis documents it. `start` and `end` belong to the range
// and count units of `unit` bits, from the end of the value if negative.
static struct wanted_bits look_at_bits(struct span value, int64_t start, int64_t end, unsigned unit,
                                       bool bit)
{
    struct wanted_bits wanted = {0, -1};
    int64_t total = (int64_t)value.len * 8 / unit;
    start = start < 0 ? start + total : start;
    end = end < 0 ? end + total : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    for (int64_t i = start * unit; i < (end + 1) * unit && i < (int64_t)value.len * 8; i++) {
        wanted.count += bit_of(value, (uint64_t)i);
        if (wanted.first < 0 && bit_of(value, (uint64_t)i) == bit)
            wanted.first = i;
    }
    return wanted;
}

static int64_t random_end(struct random *r, struct span value, unsigned unit)
{
    int64_t total = (int64_t)value.len * 8 / unit + 3;
    return (int64_t)random_below(r, 2 * (uint64_t)total) - total;
}

static void check_bits(struct random *r)
{
    unsigned wrong = 0;
    unsigned turns;
    char command[256];
    for (unsigned i = 0; i < 4000; i++) {
        unsigned which = (unsigned)random_below(r, VALUES);
        unsigned unit = random_below(r, 2) == 0 ? 1 : 8;
        bool bit = random_below(r, 2) == 0;
        int64_t start = random_end(r, values[which], unit);
        int64_t end = random_end(r, values[which], unit);
        struct wanted_bits wanted = look_at_bits(values[which], start, end, unit, bit);
        if (start < 0 && end < 0 && start > end)
            wanted.count = 0; // as in Redis, before the range is cut to the length of the value
        snprintf(command, sizeof command, "BITCOUNT %s %lld %lld %s", key_of(which),
                 (long long)start, (long long)end, unit == 1 ? "BIT" : "BYTE");
        wrong += ask_number(command, &turns) != wanted.count;
        snprintf(command, sizeof command, "BITPOS %s %d %lld %lld %s", key_of(which), bit,
                 (long long)start, (long long)end, unit == 1 ? "BIT" : "BYTE");
        wrong += ask_number(command, &turns) != wanted.first;
        uint64_t at = random_below(r, values[which].len * 8 + 20);
        snprintf(command, sizeof command, "GETBIT %s %llu", key_of(which), (unsigned long long)at);
        wrong += ask_number(command, &turns) != bit_of(values[which], at);
    }
    is_number(wrong, 0, "GETBIT, BITCOUNT and BITPOS agree with a count bit by bit");
}

static void check_fields(struct random *r)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < 3000; i++) {
        unsigned which = (unsigned)random_below(r, VALUES);
        bool has_sign = random_below(r, 2) == 0;
        unsigned bits = 1 + (unsigned)random_below(r, 63);
        uint64_t at = random_below(r, values[which].len * 8 + 20);
        char command[256], wanted[64];
        unsigned turns;
        int64_t number = 0;
        for (unsigned b = 0; b < bits; b++)
            number = number * 2 + bit_of(values[which], at + b);
        if (has_sign && bit_of(values[which], at))
            number = (int64_t)((uint64_t)number - (UINT64_C(1) << bits));
        snprintf(command, sizeof command, "BITFIELD_RO %s GET %c%u %llu", key_of(which),
                 has_sign ? 'i' : 'u', bits, (unsigned long long)at);
        snprintf(wanted, sizeof wanted, "*1\r\n:%lld\r\n", (long long)number);
        struct buf reply = ask_turns(&a, command, TURNS_MAX, &turns);
        wrong += !span_equal(buf_span(&reply), span_text(wanted));
        buf_release(&reply);
    }
    is_number(wrong, 0, "BITFIELD_RO agrees with reading bit by bit");
}

static void check_many_fields(void)
{
    enum { FIELDS = 2000 };
    struct buf command = {0}, wanted = {0};
    unsigned turns;
    buf_printf(&command, "BITFIELD_RO %s", key_of(LONG_KEY));
    buf_printf(&wanted, "*%d\r\n", FIELDS);
    for (unsigned i = 0; i < FIELDS; i++) {
        buf_printf(&command, " OVERFLOW SAT GET u8 #%u", i);
        buf_printf(&wanted, ":%u\r\n", (unsigned char)values[LONG_KEY].ptr[i]);
    }
    buf_append(&command, span_of("", 1));
    for (unsigned most = 1; most < 8; most *= 7) {
        struct buf reply = ask_turns(&a, command.ptr, most, &turns);
        ok(turns == most, "many integers take more than %u turns", most);
        buf_release(&reply);
    }
    struct buf reply = ask_turns(&a, command.ptr, TURNS_MAX, &turns);
    ok(span_equal(buf_span(&reply), buf_span(&wanted)), "the reply has all integers after %u turns",
       turns);
    buf_release(&reply);
    buf_release(&command);
    buf_release(&wanted);
}

// ---- LCS ----------------------------------------------------------------------------------------

static size_t length_of_lcs(struct span x, struct span y)
{
    static size_t row[2][LENGTH_MAX + 1];
    memset(row, 0, sizeof row);
    for (size_t i = 1; i <= x.len; i++)
        for (size_t j = 1; j <= y.len; j++) {
            size_t up = row[(i - 1) % 2][j], left = row[i % 2][j - 1];
            row[i % 2][j] = x.ptr[i - 1] == y.ptr[j - 1] ? row[(i - 1) % 2][j - 1] + 1
                            : up > left                  ? up
                                                         : left;
        }
    return row[x.len % 2][y.len];
}

static bool is_subsequence(struct span part, struct span whole)
{
    size_t at = 0;
    for (size_t i = 0; i < whole.len && at < part.len; i++)
        at += whole.ptr[i] == part.ptr[at];
    return at == part.len;
}

static void check_lcs(struct random *r)
{
    unsigned wrong = 0;
    unsigned turns;
    char command[256];
    for (unsigned i = 0; i < 300; i++) {
        unsigned x = (unsigned)random_below(r, VALUES);
        unsigned y = (unsigned)random_below(r, VALUES);
        size_t wanted = length_of_lcs(values[x], values[y]);
        snprintf(command, sizeof command, "LCS %s %s LEN", key_of(x), key_of(y));
        wrong += ask_number(command, &turns) != (int64_t)wanted;
        snprintf(command, sizeof command, "LCS %s %s", key_of(x), key_of(y));
        struct buf reply = ask_turns(&a, command, TURNS_MAX, &turns);
        char head[32];
        int head_len = snprintf(head, sizeof head, "$%zu\r\n", wanted);
        struct span text = span_of(reply.ptr + head_len, wanted);
        wrong += reply.len != (size_t)head_len + wanted + 2 ||
                 memcmp(reply.ptr, head, (size_t)head_len) != 0 ||
                 !is_subsequence(text, values[x]) || !is_subsequence(text, values[y]);
        buf_release(&reply);
    }
    is_number(wrong, 0, "LCS finds common subsequences of the greatest length");
}

static void check_lcs_bounds(void)
{
    static const char refused[] = "-ERR String too long for LCS: at most 65536 bytes each, and "
                                  "at most 4194304 as the product of both lengths\r\n";
    unsigned turns;
    char command[256];
    snprintf(command, sizeof command, "LCS %s %s LEN", key_of(TOO_LONG_KEY), key_of(MEDIUM_KEY));
    struct buf reply = ask_turns(&a, command, TURNS_MAX, &turns);
    is_bytes(buf_span(&reply), span_text(refused), "LCS refuses too much work");
    buf_release(&reply);
    snprintf(command, sizeof command, "LCS %s %s LEN", key_of(LONG_KEY), key_of(VALUES + 9));
    reply = ask_turns(&a, command, TURNS_MAX, &turns);
    is_bytes(buf_span(&reply), span_text(refused), "LCS refuses a value that is too long");
    buf_release(&reply);
    snprintf(command, sizeof command, "LCS %s %s LEN", key_of(MEDIUM_KEY), key_of(MEDIUM_KEY));
    is_number(ask_number(command, &turns), MEDIUM, "LCS accepts the longest values allowed");
    ok(turns >= MEDIUM * MEDIUM / 64 / SESSION_TURN_WORK,
       "LCS of the longest values takes %u turns", turns);
}

// ---- DUMP ---------------------------------------------------------------------------------------

static uint64_t crc64(struct span bytes)
{
    uint64_t crc = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ UINT64_C(0x95ac9329ac4bc9b5) : crc >> 1;
    }
    return crc;
}

// Checks the reply to DUMP, in which `head` precedes the bytes of the value.
static void check_dump(unsigned key, struct span head, const char *name)
{
    struct buf wanted = {0}, reply;
    char command[256];
    unsigned turns;
    struct buf body = {0};
    buf_append(&body, head);
    buf_append(&body, values[key]);
    buf_append(&body, span_of("\x0a\0", 2));
    uint64_t crc = crc64(buf_span(&body));
    for (unsigned i = 0; i < 8; i++) {
        char byte = (char)(crc >> 8 * i);
        buf_append(&body, span_of(&byte, 1));
    }
    buf_printf(&wanted, "$%zu\r\n", body.len);
    buf_append(&wanted, buf_span(&body));
    buf_append_text(&wanted, "\r\n");
    snprintf(command, sizeof command, "DUMP %s", key_of(key));
    reply = ask_turns(&a, command, TURNS_MAX, &turns);
    ok(span_equal(buf_span(&reply), buf_span(&wanted)), "%s", name);
    buf_release(&reply);
    buf_release(&wanted);
    buf_release(&body);
}

// ---- turns --------------------------------------------------------------------------------------

static void check_turns(void)
{
    char command[256];
    unsigned turns;
    snprintf(command, sizeof command, "BITCOUNT %s", key_of(LONG_KEY));
    is_number(ask_number(command, &turns), look_at_bits(values[LONG_KEY], 0, -1, 8, true).count,
              "BITCOUNT of a long value");
    ok(turns >= LONG / 256 / SESSION_TURN_WORK, "BITCOUNT of a long value takes %u turns", turns);
    for (unsigned i = 0; i < 3; i++) {
        const char *key = key_of(i == 2 ? MEDIUM_KEY : LONG_KEY);
        if (i < 2)
            snprintf(command, sizeof command, "%s %s", i == 0 ? "BITCOUNT" : "DUMP", key);
        else
            snprintf(command, sizeof command, "LCS %s %s", key, key);
        // The client leaves after one turn. The address sanitizer finds leaks.
        struct buf reply = ask_turns(&a, command, 1, &turns);
        is_number((int64_t)reply.len, 0, "%.8s is not finished after one turn", command);
        buf_release(&reply);
    }
}

int main(void)
{
    struct random r = random_seeded();
    open_values(&r);
    check_bits(&r);
    check_fields(&r);
    check_many_fields();
    check_lcs(&r);
    check_lcs_bounds();
    check_dump(LONG_KEY, span_of("\0\x80\0\x10\0\0", 6), "DUMP of a long value");
    check_dump(MEDIUM_KEY, span_of("\0\x48\0", 3), "DUMP of a shorter one");
    check_turns();
    ask_close(&a);
    for (unsigned i = 0; i < VALUES + 3; i++)
        free((char *)values[i].ptr);
    buf_release(&lines);
    return done_testing();
}
