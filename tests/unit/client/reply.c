// Tests of the reader of replies: the parts of each reply, however it is cut into pieces, and
// hostile replies. Each piece ends at a guard page, so that a read beyond its end is a crash.
#include "client/reply.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/guard.h"
#include "support/tap.h"

static const char *const kinds[] = {"+", "-", ":", "nil", "$", "*"};

// Appends a part as text. Pieces of a string are joined, so that the text does not depend on how
// the input was cut.
static void show(const struct reply_part *part, uint64_t *string_left, struct buf *to)
{
    if (part->begins) {
        buf_printf(to, "%u%s%s", part->depth, part->is_first ? "" : ",", kinds[part->kind]);
        if (part->kind == REPLY_ARRAY)
            buf_printf(to, "%llu", (unsigned long long)part->left);
    } else {
        require(part->kind == REPLY_STRING && *string_left == part->left + part->text.len,
                "a piece of a string has another length than announced");
    }
    buf_append(to, part->text);
    *string_left = part->kind == REPLY_STRING ? part->left : 0;
    if (*string_left == 0)
        buf_append_text(to, part->is_last ? ".\n" : " ");
    require(*string_left == 0 || !part->is_last, "a reply ends in the middle of a string");
}

// Reads `input`, which arrives in pieces of `step` bytes, and appends its parts as text. "..." at
// the end: more is needed; "!": it is bad.
static void read_all(struct span input, size_t step, struct buf *to)
{
    struct reply_reader reader = {0};
    struct guard guard = {0};
    size_t begin = 0;
    size_t have = 0;
    uint64_t string_left = 0;
    enum reply_status status = REPLY_PARTIAL;
    while (status != REPLY_BAD && have < input.len) {
        have = step < input.len - have ? have + step : input.len;
        do {
            struct reply_part part;
            size_t used = 0;
            struct bytes piece = guard_copy(&guard, span_of(input.ptr + begin, have - begin));
            status = reply_read(&reader, span_of(piece.ptr, piece.len), &used, &part);
            require(used <= piece.len && reader.depth <= REPLY_DEPTH_MAX, "a limit is exceeded");
            if (status == REPLY_PART) {
                require(used > 0, "a part takes no bytes");
                show(&part, &string_left, to);
            }
            begin += status == REPLY_PART ? used : 0;
            guard_release(&guard);
        } while (status == REPLY_PART && begin < have);
    }
    if (status != REPLY_PART)
        buf_append_text(to, status == REPLY_BAD ? "!" : "...");
}

static const struct {
    const char *input;
    const char *parts;
} replies[] = {
    {"+OK\r\n", "0+OK.\n"},
    {"+\r\n", "0+.\n"},
    {"-ERR no\r\n", "0-ERR no.\n"},
    {":-12\r\n", "0:-12.\n"},
    {"$5\r\na\r\nbc\r\n", "0$a\r\nbc.\n"},
    {"$0\r\n\r\n", "0$.\n"},
    {"$-1\r\n", "0nil.\n"},
    {"*-1\r\n", "0nil.\n"},
    {"*0\r\n", "0*0.\n"},
    {"*2\r\n$1\r\na\r\n:7\r\n", "0*2 1$a 1,:7.\n"},
    {"*3\r\n*0\r\n*2\r\n+a\r\n$-1\r\n*1\r\n*1\r\n-x\r\n", "0*3 1*0 1,*2 2+a 2,nil 1,*1 2*1 3-x.\n"},
    {"+a\r\n+b\r\n", "0+a.\n0+b.\n"},
    {"*1\r\n$2\r\nab\r\n$1\r\nc\r\n", "0*1 1$ab.\n0$c.\n"},
    // not complete
    {"+OK", "..."},
    {"+OK\r", "..."},
    {"*2\r\n:1\r\n", "0*2 1:1 "},
    {"$3\r\nabc", "..."},
    {"$9223372036854775807\r\n", "..."},
    {"*9223372036854775807\r\n", "0*9223372036854775807 "},
    // not replies
    {"\r\n", "!"},
    {"x\r\n", "!"},
    {"\n", "!"},
    {"+OK\n", "!"},
    {":\r\n", "!"},
    {":1x\r\n", "!"},
    {":99999999999999999999\r\n", "!"},
    {"$-2\r\n", "!"},
    {"$01\r\na\r\n", "!"},
    {"$1\r\nab\r\n", "!"},
    {"*-2\r\n", "!"},
    {"*9223372036854775808\r\n", "!"},
    {"*1\r\n%1\r\n", "0*1 !"},
    {"_\r\n", "!"},
    {"HTTP/1.1 400 Bad Request\r\n", "!"},
};

static void test_replies(void)
{
    for (unsigned i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct span input = span_text(replies[i].input);
        bool cut = strcmp(replies[i].parts, "...") == 0;
        for (size_t step = 1; step <= input.len; step++) {
            struct buf got = {0};
            read_all(input, step, &got);
            // A string that is not complete may have been returned in part.
            size_t len = got.len;
            bool same = cut ? len >= 3 && memcmp(got.ptr + len - 3, "...", 3) == 0
                            : span_equal(buf_span(&got), span_text(replies[i].parts));
            // An array that has begun needs more; read_all ends with the part.
            if (!same || step == 1 || step == input.len)
                is_bytes(cut && same ? span_text("...") : buf_span(&got),
                         span_text(replies[i].parts), "reply %u in pieces of %zu", i, step);
            buf_release(&got);
        }
    }
}

// Arrays in arrays, up to the limit and beyond.
static void test_depth(void)
{
    struct buf deep = {0};
    struct buf got = {0};
    for (unsigned i = 0; i < REPLY_DEPTH_MAX; i++)
        buf_append_text(&deep, "*1\r\n");
    buf_append_text(&deep, "*0\r\n");
    read_all(buf_span(&deep), deep.len, &got);
    ok(got.len > 2 && memcmp(got.ptr + got.len - 2, ".\n", 2) == 0, "the deepest array is read");
    deep.len -= 4;
    got.len = 0;
    buf_append_text(&deep, "*1\r\n");
    read_all(buf_span(&deep), deep.len, &got);
    ok(got.len > 0 && got.ptr[got.len - 1] == '!', "a deeper one is refused");
    buf_release(&deep);
    buf_release(&got);
}

// A line without an end is refused when it is too long, and not before.
static void test_long_line(void)
{
    struct buf text = {0};
    struct reply_reader reader = {0};
    struct reply_part part;
    size_t used;
    buf_append_text(&text, "+");
    while (text.len < REPLY_LINE_MAX - 1)
        buf_append_text(&text, "x");
    is_number(reply_read(&reader, buf_span(&text), &used, &part), REPLY_PARTIAL, "a long line");
    buf_append_text(&text, "x");
    is_number(reply_read(&reader, buf_span(&text), &used, &part), REPLY_BAD, "a longer line");
    text.len -= 2;
    buf_append_text(&text, "\r\n");
    is_number(reply_read(&reader, buf_span(&text), &used, &part), REPLY_PART, "the longest line");
    is_number((int64_t)part.text.len, REPLY_LINE_MAX - 3, "its length");
    buf_release(&text);
}

// Random changes of replies: the result must not depend on the pieces, and no limit is exceeded.
static void test_random(void)
{
    struct random random = random_seeded();
    bool same = true;
    for (unsigned round = 0; round < 3000 && same; round++) {
        struct buf input = {0};
        struct buf whole = {0};
        struct buf pieces = {0};
        for (unsigned i = 0; i < 3; i++)
            buf_append_text(&input,
                            replies[random_below(&random, sizeof replies / sizeof *replies)].input);
        for (uint64_t changes = random_below(&random, 4); changes > 0 && input.len > 0; changes--)
            input.ptr[random_below(&random, input.len)] =
                "*$+-:\r\n0123456789\xff"[random_below(&random, 18)];
        read_all(buf_span(&input), input.len, &whole);
        read_all(buf_span(&input), 1, &pieces);
        // Both must agree on what is complete: everything up to the last line of complete replies.
        size_t end = whole.len;
        while (end > 0 && whole.ptr[end - 1] != '\n')
            end--;
        same = pieces.len >= end && (end == 0 || memcmp(whole.ptr, pieces.ptr, end) == 0);
        if (!same)
            is_bytes(buf_span(&pieces), buf_span(&whole), "round %u", round);
        buf_release(&input);
        buf_release(&whole);
        buf_release(&pieces);
    }
    ok(same, "pieces do not change what is read");
}

int main(void)
{
    test_replies();
    test_depth();
    test_long_line();
    test_random();
    return done_testing();
}
