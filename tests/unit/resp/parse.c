// Tests of the request parser: the result for each input, valid or not, with Redis's error texts.
// The result must be the same however the input is cut into pieces.
//
// Each piece ends at a guard page, and the argument storage is exactly as large as the parser is
// told. So the address sanitizer reports any access after the end of either.
#include <stdio.h>
#include <stdlib.h>

#include "resp/resp.h"
#include "support/guard.h"
#include "support/tap.h"

#define SPAN(literal)                                                                              \
    {                                                                                              \
        literal, sizeof literal - 1                                                                \
    }

enum { PLACE_SIZE = 4 * 1024 * 1024 };

static struct bytes room; // PLACE_SIZE bytes, then the guard page

// Returns a copy that ends at the guard page, valid until the next call.
static struct bytes place(struct span s)
{
    require(s.len <= PLACE_SIZE, "the input is too long for the test");
    char *at = room.ptr + PLACE_SIZE - s.len;
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    return (struct bytes){at, s.len};
}

static struct span sub(struct span s, size_t from, size_t to)
{
    return span_of(s.ptr + from, to - from);
}

// A request that is being parsed, with its argument storage.
struct reading {
    struct resp_progress progress;
    struct resp_arg *args;
    size_t capacity;
    char bad[RESP_BAD_TEXT + 1]; // the last byte must never be written
};

static void reading_next(struct reading *r)
{
    free(r->args);
    *r = (struct reading){0};
    memset(r->bad, '#', sizeof r->bad);
}

// Calls resp_parse, and again with more storage whenever it needs more.
static enum resp_status reading_parse(struct reading *r, struct bytes input)
{
    enum resp_status status;
    while ((status = resp_parse(&r->progress, input, r->args, r->capacity, r->bad)) ==
           RESP_ARGS_FULL) {
        require(r->capacity <= RESP_ARGS_MAX, "the parser always asks for more storage");
        r->capacity = r->capacity + r->capacity / 2 + 1;
        r->args = realloc(r->args, r->capacity * sizeof *r->args);
        require(r->args != NULL, "no memory");
    }
    require(r->bad[RESP_BAD_TEXT] == '#', "the error text overflows");
    return status;
}

// How input arrives: `step` bytes at a time, or a random number from 1 to `step` if
// `random` is set.
struct arrival {
    size_t step;
    struct random *random;
};

// Parses `input` as a connection does, and appends the result as text: "[arg][arg]@LENGTH;" for
// each request, with "@LENGTH inline;" for an inline one. Then follows "..." for a partial request
// or "!text" for a malformed one.
static void conversation(struct span input, struct arrival arrival, struct buf *to)
{
    struct reading r = {0};
    size_t begin = 0;
    size_t have = 0;
    enum resp_status status = RESP_PARTIAL;
    reading_next(&r);
    while (status != RESP_BAD && have < input.len) {
        size_t step =
            arrival.random != NULL ? 1 + random_below(arrival.random, arrival.step) : arrival.step;
        have = step < input.len - have ? have + step : input.len;
        do {
            struct bytes view = place(sub(input, begin, have));
            struct resp_progress *p = &r.progress;
            status = reading_parse(&r, view);
            require(p->at <= view.len && p->at + p->searched <= view.len,
                    "the progress is beyond the input");
            if (status == RESP_COMPLETE) {
                struct resp_request request = {view.ptr, r.args, p->argc};
                require(p->at > 0 && p->argc <= r.capacity, "nothing was read");
                for (uint32_t i = 0; i < p->argc; i++) {
                    struct span arg = resp_arg(&request, i);
                    require(r.args[i].offset + arg.len <= p->at,
                            "an argument is not in its request");
                    buf_append_text(to, "[");
                    buf_append(to, arg);
                    buf_append_text(to, "]");
                }
                buf_printf(to, "@%zu%s;", p->at, p->inline_form ? " inline" : "");
                begin += p->at;
                reading_next(&r);
            }
        } while (status == RESP_COMPLETE && begin < have);
    }
    if (status == RESP_BAD)
        buf_printf(to, "!%s", r.bad);
    else if (begin < input.len)
        buf_append_text(to, "...");
    reading_next(&r);
}

static const struct arrival at_once = {SIZE_MAX / 2, NULL};
static const struct arrival bytewise = {1, NULL};

static bool same_however_cut(struct span input, struct random *random)
{
    const struct arrival arrivals[] = {bytewise, {2, NULL}, {3, NULL}, {9, random}, {40, random}};
    struct buf wanted = {0};
    bool same = true;
    conversation(input, at_once, &wanted);
    for (unsigned i = 0; i < sizeof arrivals / sizeof *arrivals; i++) {
        struct buf got = {0};
        conversation(input, arrivals[i], &got);
        same &= span_equal(buf_span(&got), buf_span(&wanted));
        buf_release(&got);
    }
    buf_release(&wanted);
    return same;
}

struct input_case {
    const char *name;
    struct span input;
    struct span wanted;
};

static const struct input_case good[] = {
    {"one argument", SPAN("*1\r\n$4\r\nPING\r\n"), SPAN("[PING]@14;")},
    {"two arguments", SPAN("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), SPAN("[GET][k]@20;")},
    {"an empty argument", SPAN("*2\r\n$0\r\n\r\n$1\r\na\r\n"), SPAN("[][a]@17;")},
    {"any bytes in an argument", SPAN("*1\r\n$8\r\n\r\n\0*$\xff\r\n\r\n"),
     SPAN("[\r\n\0*$\xff\r\n]@18;")},
    {"a two-digit length", SPAN("*1\r\n$10\r\n0123456789\r\n"), SPAN("[0123456789]@21;")},
    {"twelve arguments",
     SPAN("*12\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n"
          "$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n$1\r\nl\r\n"),
     SPAN("[a][b][c][d][e][f][g][h][i][j][k][l]@89;")},
    {"the byte after a CR is not checked", SPAN("*1\rX$1\rXaXX"), SPAN("[a]@11;")},
    {"no arguments", SPAN("*0\r\n"), SPAN("@4;")},
    {"a null array", SPAN("*-1\r\n"), SPAN("@5;")},
    {"the lowest number of arguments", SPAN("*-9223372036854775808\r\n"), SPAN("@23;")},
    {"inline", SPAN("PING\r\n"), SPAN("[PING]@6 inline;")},
    {"inline, LF alone", SPAN("PING\n"), SPAN("[PING]@5 inline;")},
    {"inline arguments", SPAN("get  a\tb \r\n"), SPAN("[get][a][b]@11 inline;")},
    {"inline, led by spaces", SPAN(" \t\v\fGET k\n"), SPAN("[GET][k]@10 inline;")},
    {"of two CRs the second ends the line, the first is a space", SPAN("GET k\r\r\n"),
     SPAN("[GET][k]@8 inline;")},
    {"a CR inside a line is a space", SPAN("GET\rk\n"), SPAN("[GET][k]@6 inline;")},
    {"\\v and \\f end no argument", SPAN("a\vb\fc d\n"), SPAN("[a\vb\fc][d]@8 inline;")},
    {"\\v separates after a quote", SPAN("\"a\"\vb\n"), SPAN("[a][b]@6 inline;")},
    {"an empty line", SPAN("\r\n"), SPAN("@2 inline;")},
    {"an empty line, LF alone", SPAN("\n"), SPAN("@1 inline;")},
    {"a line of spaces", SPAN("   \t\r\n"), SPAN("@6 inline;")},
    {"double quotes", SPAN("SET \"a b\" \"\"\r\n"), SPAN("[SET][a b][]@14 inline;")},
    {"single quotes", SPAN("SET 'a b' ''\n"), SPAN("[SET][a b][]@13 inline;")},
    {"a quote inside an argument", SPAN("a\"b c\" d'e f'\n"), SPAN("[ab c][de f]@14 inline;")},
    {"quotes in the other quotes", SPAN("\"it's\" 'a\"b'\n"), SPAN("[it's][a\"b]@13 inline;")},
    {"escapes", SPAN("\"\\n\\r\\t\\b\\a\"\n"), SPAN("[\n\r\t\b\a]@13 inline;")},
    {"escaped bytes that stand for themselves", SPAN("\"\\\\\\\"\\q\\'\"\n"),
     SPAN("[\\\"q']@11 inline;")},
    {"hexadecimal escapes", SPAN("\"\\x00\\xfF\\x4a\\x0A\\X41\"\n"),
     SPAN("[\0\xffJ\nX41]@23 inline;")},
    {"escapes that are not hexadecimal", SPAN("\"\\xg0\\x0g\\x4\"\n"),
     SPAN("[xg0x0gx4]@14 inline;")},
    {"in single quotes only a single quote is escaped", SPAN("'\\n\\x41\\'\\\\ '\n"),
     SPAN("[\\n\\x41'\\\\ ]@14 inline;")},
    {"no escapes without quotes", SPAN("a\\nb \\x41 \\\n"), SPAN("[a\\nb][\\x41][\\]@12 inline;")},
    {"bytes above 0x7f", SPAN("\x80 \xff\xa0\n"), SPAN("[\x80][\xff\xa0]@5 inline;")},
    {"$ begins an inline request", SPAN("$1\r\n"), SPAN("[$1]@4 inline;")},
    {"a star later in a line", SPAN(" *1\r\n"), SPAN("[*1]@5 inline;")},
};

static const struct input_case sequences[] = {
    {"no input", SPAN(""), SPAN("")},
    {"a pipeline of multibulk and inline requests",
     SPAN("*1\r\n$1\r\na\r\nb c\n\r\n*0\r\n*1\r\n$1\r\nd\r\n"),
     SPAN("[a]@11;[b][c]@4 inline;@2 inline;@4;[d]@11;")},
    {"a request after an empty line", SPAN("\r\n*1\r\n$1\r\na\r\n"), SPAN("@2 inline;[a]@11;")},
    {"a malformed request after valid ones", SPAN("PING\r\n*1\r\n$1\r\na\r\n*x\r\nPING\r\n"),
     SPAN("[PING]@6 inline;[a]@11;!Protocol error: invalid multibulk length")},
    {"an argument one byte too short", SPAN("*2\r\n$4\r\nGET\r\n$1\r\nk\r\n"),
     SPAN("!Protocol error: expected '$', got '1'")},
    {"an argument one byte too long", SPAN("*2\r\n$2\r\nGET\r\n$1\r\nk\r\n"),
     SPAN("!Protocol error: expected '$', got ' '")},
    {"a partial request after a valid one", SPAN("PING\n*1\r\n$4\r\nPI"),
     SPAN("[PING]@5 inline;...")},
    {"the largest number of arguments, without any", SPAN("*1048576\r\n"), SPAN("...")},
    {"the longest argument, without its bytes", SPAN("*1\r\n$1048576\r\n"), SPAN("...")},
    {"a NUL in a line hides its end", SPAN("GET a\0b\r\nPING\r\n"), SPAN("...")},
    {"a NUL in a '*' line", SPAN("*1\0\r\n$1\r\na\r\n"), SPAN("...")},
    {"a NUL in a '$' line", SPAN("*1\r\n$1\0\r\na\r\n"), SPAN("...")},
    {"a NUL in place of '$'", SPAN("*1\r\n\0004\r\nPING\r\n"), SPAN("...")},
    {"a NUL after the line does not hide its end", SPAN("a\n\0\n"), SPAN("[a]@2 inline;...")},
    {"without a CR the request is partial", SPAN("*1\n$4\nPING\n"), SPAN("...")},
    {"without a CR the next CR ends the line", SPAN("*1\n$4\r\nPING\r\n"),
     SPAN("!Protocol error: invalid multibulk length")},
    {"a missing CR in a '$' line", SPAN("*1\r\n$4\nPING\r\n"),
     SPAN("!Protocol error: invalid bulk length")},
};

#define BAD_COUNT "!Protocol error: invalid multibulk length"
#define BAD_BULK "!Protocol error: invalid bulk length"
#define BAD_QUOTES "!Protocol error: unbalanced quotes in request"

// Malformed inputs. The parser reads nothing after them.
static const struct input_case bad[] = {
    {"no number", SPAN("*\r\n"), SPAN(BAD_COUNT)},
    {"a plus", SPAN("*+1\r\n"), SPAN(BAD_COUNT)},
    {"a space", SPAN("* 1\r\n"), SPAN(BAD_COUNT)},
    {"a trailing space", SPAN("*1 \r\n"), SPAN(BAD_COUNT)},
    {"a leading zero", SPAN("*01\r\n"), SPAN(BAD_COUNT)},
    {"hexadecimal", SPAN("*0x1\r\n"), SPAN(BAD_COUNT)},
    {"minus zero", SPAN("*-0\r\n"), SPAN(BAD_COUNT)},
    {"a minus", SPAN("*-\r\n"), SPAN(BAD_COUNT)},
    {"letters", SPAN("*x\r\n"), SPAN(BAD_COUNT)},
    {"one argument too many", SPAN("*1048577\r\n"), SPAN(BAD_COUNT)},
    {"3000000000 arguments", SPAN("*3000000000\r\n"), SPAN(BAD_COUNT)},
    {"2^32 + 1 arguments", SPAN("*4294967297\r\n"), SPAN(BAD_COUNT)},
    {"INT64_MAX arguments", SPAN("*9223372036854775807\r\n"), SPAN(BAD_COUNT)},
    {"INT64_MAX + 1 arguments", SPAN("*9223372036854775808\r\n"), SPAN(BAD_COUNT)},
    {"INT64_MIN - 1 arguments", SPAN("*-9223372036854775809\r\n"), SPAN(BAD_COUNT)},
    {"2^64 + 1 arguments", SPAN("*18446744073709551617\r\n"), SPAN(BAD_COUNT)},
    {"a null argument", SPAN("*1\r\n$-1\r\n"), SPAN(BAD_BULK)},
    {"a negative length", SPAN("*1\r\n$-5\r\n"), SPAN(BAD_BULK)},
    {"no length", SPAN("*1\r\n$\r\n"), SPAN(BAD_BULK)},
    {"a length with a plus", SPAN("*1\r\n$+1\r\n"), SPAN(BAD_BULK)},
    {"a length with a space", SPAN("*1\r\n$ 1\r\n"), SPAN(BAD_BULK)},
    {"a length with a leading zero", SPAN("*1\r\n$01\r\n"), SPAN(BAD_BULK)},
    {"a hexadecimal length", SPAN("*1\r\n$0x1\r\n"), SPAN(BAD_BULK)},
    {"a length of letters", SPAN("*1\r\n$x\r\n"), SPAN(BAD_BULK)},
    {"one byte too long", SPAN("*1\r\n$1048577\r\n"), SPAN(BAD_BULK)},
    {"2000000000 bytes", SPAN("*1\r\n$2000000000\r\n"), SPAN(BAD_BULK)},
    {"536870913 bytes", SPAN("*1\r\n$536870913\r\n"), SPAN(BAD_BULK)},
    {"2^32 + 1 bytes", SPAN("*1\r\n$4294967297\r\n"), SPAN(BAD_BULK)},
    {"INT64_MAX bytes", SPAN("*1\r\n$9223372036854775807\r\n"), SPAN(BAD_BULK)},
    {"INT64_MAX + 1 bytes", SPAN("*1\r\n$9223372036854775808\r\n"), SPAN(BAD_BULK)},
    {"a bad second length", SPAN("*2\r\n$1\r\na\r\n$-1\r\n"), SPAN(BAD_BULK)},
    {"no dollar", SPAN("*1\r\nfoo\r\n"), SPAN("!Protocol error: expected '$', got 'f'")},
    {"a star for a dollar", SPAN("*1\r\n*1\r\n"), SPAN("!Protocol error: expected '$', got '*'")},
    {"a colon for a dollar", SPAN("*1\r\n:1\r\n"), SPAN("!Protocol error: expected '$', got ':'")},
    {"a CR for a dollar", SPAN("*1\r\n\r\n"), SPAN("!Protocol error: expected '$', got ' '")},
    {"a LF for a dollar", SPAN("*1\r\n\n\r\n"), SPAN("!Protocol error: expected '$', got ' '")},
    {"a quote for a dollar", SPAN("*1\r\n'1\r\n"), SPAN("!Protocol error: expected '$', got '''")},
    {"a percent for a dollar", SPAN("*1\r\n%s\r\n"),
     SPAN("!Protocol error: expected '$', got '%'")},
    {"an unprintable byte for a dollar", SPAN("*1\r\n\x01\r\n"),
     SPAN("!Protocol error: expected '$', got '\x01'")},
    {"a high byte for a dollar", SPAN("*1\r\n\xff\r\n"),
     SPAN("!Protocol error: expected '$', got '\xff'")},
    {"an unclosed double quote", SPAN("GET \"a\r\n"), SPAN(BAD_QUOTES)},
    {"an unclosed single quote", SPAN("GET 'a\r\n"), SPAN(BAD_QUOTES)},
    {"a lone double quote", SPAN("\"\n"), SPAN(BAD_QUOTES)},
    {"a lone single quote", SPAN("'\n"), SPAN(BAD_QUOTES)},
    {"quotes that do not pair", SPAN("\"a'\n"), SPAN(BAD_QUOTES)},
    {"an escaped double quote", SPAN("\"a\\\"\n"), SPAN(BAD_QUOTES)},
    {"an escaped single quote", SPAN("'a\\'\n"), SPAN(BAD_QUOTES)},
    {"a backslash does not escape itself in single quotes", SPAN("'\\\\'\n"), SPAN(BAD_QUOTES)},
    {"a last backslash", SPAN("\"a\\\n"), SPAN(BAD_QUOTES)},
    {"text after a closing double quote", SPAN("\"a\"b\n"), SPAN(BAD_QUOTES)},
    {"text after a closing single quote", SPAN("'a'b\n"), SPAN(BAD_QUOTES)},
    {"quotes after quotes", SPAN("\"\"\"\"\n"), SPAN(BAD_QUOTES)},
    {"a bad second argument", SPAN("\"a\" \"b\n"), SPAN(BAD_QUOTES)},
};

static void test_table(const char *kind, const struct input_case *cases, size_t count,
                       struct random *random)
{
    for (size_t i = 0; i < count; i++) {
        struct buf got = {0};
        conversation(cases[i].input, at_once, &got);
        bool right = span_equal(buf_span(&got), cases[i].wanted);
        bool same = same_however_cut(cases[i].input, random);
        is_bytes(buf_span(&got), cases[i].wanted, "%s: %s", kind, cases[i].name);
        if (!ok(same, "%s: the same in pieces of any size", cases[i].name) || !right)
            diag("%zu bytes", cases[i].input.len);
        buf_release(&got);
    }
}

// Every prefix of a valid request is partial, when parsed from the beginning and with any amount of
// argument storage. Bytes after the request are not touched.
static void test_prefixes(void)
{
    enum { ARGS = 64 };
    struct resp_arg args[ARGS];
    char text[RESP_BAD_TEXT];
    unsigned wrong = 0;
    unsigned full_wrong = 0;
    unsigned followed_wrong = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct span input = good[i].input;
        for (size_t len = 0; len < input.len; len++) {
            for (size_t capacity = 0; capacity <= ARGS;
                 capacity += capacity < 4 ? 1 : ARGS / 2 - 2) {
                struct resp_progress p = {0};
                enum resp_status status =
                    resp_parse(&p, place(sub(input, 0, len)), args, capacity, text);
                bool full = status == RESP_ARGS_FULL && p.argc == capacity && capacity < 12;
                wrong += status != RESP_PARTIAL && !full;
            }
        }
        // There are never more arguments than bytes of input.
        for (size_t capacity = 0; capacity <= ARGS; capacity++) {
            struct resp_arg *exact = malloc(capacity * sizeof *exact);
            struct resp_progress p = {0};
            struct resp_progress known = {0};
            enum resp_status wanted = resp_parse(&known, place(input), args, ARGS, text);
            enum resp_status status = resp_parse(&p, place(input), exact, capacity, text);
            full_wrong += wanted != RESP_COMPLETE || known.at != input.len;
            full_wrong += status != RESP_COMPLETE && status != RESP_ARGS_FULL;
            full_wrong += capacity < known.argc && status != RESP_ARGS_FULL;
            full_wrong += capacity >= input.len && status != RESP_COMPLETE;
            free(exact);
        }
        static const char *const tails[] = {"*", "\r\n", "x", "\"", "$5\r\n", "*1\r\n$1\r\na\r\n"};
        for (unsigned j = 0; j < sizeof tails / sizeof *tails; j++) {
            struct buf both = {0};
            struct resp_progress p = {0};
            buf_append(&both, input);
            buf_append_text(&both, tails[j]);
            struct bytes view = place(buf_span(&both));
            followed_wrong += resp_parse(&p, view, args, ARGS, text) != RESP_COMPLETE;
            followed_wrong += p.at != input.len;
            followed_wrong +=
                !span_equal(span_of(view.ptr + p.at, strlen(tails[j])), span_text(tails[j]));
            buf_release(&both);
        }
    }
    is_number(wrong, 0, "each prefix of each valid request is partial, or needs storage");
    is_number(full_wrong, 0, "the parser asks for more storage exactly when it needs more");
    is_number(followed_wrong, 0, "a request has the same length, whatever follows it");
}

// Returns `head`, then bytes `fill` until the line that begins at offset `line` has `len` bytes,
// then `tail`.
static struct buf long_line(const char *head, size_t line, char fill, size_t len, const char *tail)
{
    struct buf b = {0};
    buf_append_text(&b, head);
    while (b.len - line < len)
        buf_append(&b, span_of(&fill, 1));
    buf_append_text(&b, tail);
    return b;
}

static void test_long_lines(struct random *random)
{
    enum { MAX = RESP_LINE_MAX };
    static const struct {
        const char *name;
        const char *head;
        size_t line; // offset in `head` where the long line begins
        char fill;
        size_t len; // bytes of the line without `tail`
        const char *tail;
        const char *wanted; // end of the wanted result
    } cases[] = {
        {"a '*' line that may still end", "*", 0, '1', MAX, "", "..."},
        {"a '*' line too long", "*", 0, '1', MAX + 1, "",
         "!Protocol error: too big mbulk count string"},
        {"a '*' line that ends too late", "*", 0, '1', MAX, "\r\n",
         "!Protocol error: too big mbulk count string"},
        {"a '*' line that ends just in time", "*", 0, '1', MAX - 1, "\r\n", BAD_COUNT},
        {"400 digits of arguments", "*", 0, '1', 401, "\r\n", BAD_COUNT},
        {"400 zeros of arguments", "*", 0, '0', 401, "\r\n", BAD_COUNT},
        {"a '$' line that may still end", "*1\r\n$", 4, '1', MAX, "", "..."},
        {"a '$' line too long", "*1\r\n$", 4, '1', MAX + 1, "",
         "!Protocol error: too big bulk count string"},
        {"a '$' line that ends too late", "*1\r\n$", 4, '1', MAX, "\r\n",
         "!Protocol error: too big bulk count string"},
        {"a '$' line that ends just in time", "*1\r\n$", 4, '1', MAX - 1, "\r\n", BAD_BULK},
        {"a line that is no '$' line, too long", "*1\r\nx", 4, 'x', MAX + 1, "",
         "!Protocol error: too big bulk count string"},
        {"400 digits of length", "*1\r\n$", 4, '1', 401, "\r\n", BAD_BULK},
        {"a second '$' line too long", "*2\r\n$1\r\na\r\n$", 11, '1', MAX + 1, "",
         "!Protocol error: too big bulk count string"},
        {"an inline line that may still end", "", 0, 'a', MAX, "", "..."},
        {"an inline line too long", "", 0, 'a', MAX + 1, "",
         "!Protocol error: too big inline request"},
        {"an inline line that ends too late", "", 0, 'a', MAX, "\n",
         "!Protocol error: too big inline request"},
        {"an inline line that ends just in time", "", 0, 'a', MAX - 1, "\n", "a]@65536 inline;"},
        {"a line of spaces", "", 0, ' ', MAX + 1, "", "!Protocol error: too big inline request"},
        {"64 KiB of NUL", "", 0, '\0', MAX + 1, "\r\n", "!Protocol error: too big inline request"},
        {"a '*' line of NUL", "*", 0, '\0', MAX + 1, "\r\n",
         "!Protocol error: too big mbulk count string"},
    };
    const struct arrival arrivals[] = {at_once, {4093, NULL}, {30000, random}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf input =
            long_line(cases[i].head, cases[i].line, cases[i].fill, cases[i].len, cases[i].tail);
        struct buf whole = {0};
        bool same = true;
        for (unsigned j = 0; j < sizeof arrivals / sizeof *arrivals; j++) {
            struct buf got = {0};
            conversation(buf_span(&input), arrivals[j], &got);
            if (j == 0)
                buf_append(&whole, buf_span(&got));
            same &= span_equal(buf_span(&got), buf_span(&whole));
            buf_release(&got);
        }
        size_t len = strlen(cases[i].wanted);
        struct span end = buf_span(&whole);
        if (end.len > len)
            end = *cases[i].wanted == 'a' ? sub(end, end.len - len, end.len) : end;
        is_bytes(end, span_text(cases[i].wanted), "%s", cases[i].name);
        ok(same, "%s: the same in pieces of any size", cases[i].name);
        buf_release(&input);
        buf_release(&whole);
    }

    struct buf hidden = long_line("GET a", 0, '\0', 6, "b\r\n");
    while (hidden.len <= RESP_LINE_MAX)
        buf_append_text(&hidden, "PING\r\n");
    struct buf got = {0};
    conversation(buf_span(&hidden), at_once, &got);
    is_bytes(buf_span(&got), span_text("!Protocol error: too big inline request"),
             "an inline line with a NUL is too long in the end");
    buf_release(&got);
    buf_release(&hidden);
}

static void test_large_requests(void)
{
    enum { ARGS = 100000 };
    struct buf many = {0};
    buf_printf(&many, "*%d\r\n", ARGS);
    for (unsigned i = 0; i < ARGS; i++)
        buf_printf(&many, "$5\r\n%05u\r\n", i);
    struct reading r = {0};
    unsigned wrong = 0;
    enum resp_status status = RESP_PARTIAL;
    reading_next(&r);
    for (size_t have = 0; have < many.len && status == RESP_PARTIAL;) {
        have = many.len - have > 60000 ? have + 60000 : many.len;
        struct bytes view = place(sub(buf_span(&many), 0, have));
        size_t before = r.progress.at;
        status = reading_parse(&r, view);
        // The time is linear: bytes that were parsed are never parsed again.
        wrong += r.progress.at < before || have - r.progress.at > 16 + (status != RESP_PARTIAL);
        wrong += (status == RESP_COMPLETE) != (have == many.len);
        for (uint32_t i = 0; status == RESP_COMPLETE && i < r.progress.argc; i++) {
            struct resp_request request = {view.ptr, r.args, r.progress.argc};
            char digits[16];
            snprintf(digits, sizeof digits, "%05u", i);
            wrong += !span_equal(resp_arg(&request, i), span_of(digits, 5));
        }
    }
    ok(status == RESP_COMPLETE && wrong == 0,
       "100,000 arguments are parsed in pieces, with growing storage");
    is_number(r.progress.argc, ARGS, "all of them are found");
    reading_next(&r);

    struct buf longest = {0};
    struct buf got = {0};
    struct buf wanted = {0};
    buf_printf(&longest, "*1\r\n$%d\r\n", RESP_BULK_MAX);
    size_t head = longest.len;
    memset(buf_reserve(&longest, RESP_BULK_MAX), '\n', RESP_BULK_MAX);
    longest.len += RESP_BULK_MAX;
    buf_append_text(&longest, "\r\n");
    conversation(buf_span(&longest), (struct arrival){300000, NULL}, &got);
    buf_append_text(&wanted, "[");
    buf_append(&wanted, span_of(longest.ptr + head, RESP_BULK_MAX));
    buf_printf(&wanted, "]@%zu;", longest.len);
    is_bytes(buf_span(&got), buf_span(&wanted), "an argument of 1 MiB is parsed");
    buf_release(&many);
    buf_release(&longest);
    buf_release(&got);
    buf_release(&wanted);
}

// Makes one to four random changes: inserts, overwrites or removes a byte, or repeats a piece. New
// bytes are often those that mean something to the parser.
static void mutate(struct random *r, struct buf *input)
{
    static const char meaning[] = "*$\r\n\r\n 0123459-+\"'\\x\0a";
    for (uint64_t changes = 1 + random_below(r, 4); changes > 0; changes--) {
        size_t at = random_below(r, input->len + 1);
        char byte = random_below(r, 4) == 0 ? (char)random_next(r)
                                            : meaning[random_below(r, sizeof meaning - 1)];
        struct buf changed = {0};
        buf_append(&changed, span_of(input->ptr, at));
        uint64_t what = random_below(r, 4);
        if (what <= 1)
            buf_append(&changed, span_of(&byte, 1));
        if (what == 2 && at > 0)
            buf_append(&changed, sub(buf_span(input), random_below(r, at), at));
        if (what != 0 && what != 2 && at < input->len)
            at++;
        buf_append(&changed, sub(buf_span(input), at, input->len));
        buf_release(input);
        *input = changed;
        if (input->len == 0)
            buf_append_text(input, "*");
    }
}

static void test_mutations(struct random *r)
{
    enum { CASES = 20000 };
    unsigned wrong = 0;
    for (unsigned i = 0; i < CASES; i++) {
        struct buf input = {0};
        for (uint64_t requests = 1 + random_below(r, 3); requests > 0; requests--)
            buf_append(&input, good[random_below(r, sizeof good / sizeof *good)].input);
        mutate(r, &input);
        if (!same_however_cut(buf_span(&input), r) && wrong++ < 3) {
            struct buf whole = {0};
            struct buf cut = {0};
            conversation(buf_span(&input), at_once, &whole);
            conversation(buf_span(&input), bytewise, &cut);
            is_bytes(buf_span(&cut), buf_span(&whole), "the result is the same byte by byte");
            is_bytes(buf_span(&input), span_of(NULL, 0), "(this was the input)");
            buf_release(&whole);
            buf_release(&cut);
        }
        buf_release(&input);
    }
    is_number(wrong, 0, "%d random mutations of valid requests: the same in pieces of any size",
              CASES);
}

static void test_untouched(void)
{
    struct reading r = {0};
    reading_next(&r);
    ok(reading_parse(&r, place(span_of("PING\r\n", 6))) == RESP_COMPLETE && r.bad[0] == '#',
       "a valid request leaves the error text unchanged");
    reading_next(&r);
    struct resp_progress zero = {0};
    ok(reading_parse(&r, place(span_of("", 0))) == RESP_PARTIAL &&
           memcmp(&r.progress, &zero, sizeof zero) == 0,
       "without input the progress is unchanged");
    reading_next(&r);
}

int main(void)
{
    struct guard g = {0};
    struct random r = random_seeded();
    char *blank = calloc(1, PLACE_SIZE);
    require(blank != NULL, "no memory");
    room = guard_copy(&g, span_of(blank, PLACE_SIZE));
    free(blank);
    test_table("good", good, sizeof good / sizeof *good, &r);
    test_table("several", sequences, sizeof sequences / sizeof *sequences, &r);
    test_table("bad", bad, sizeof bad / sizeof *bad, &r);
    test_prefixes();
    test_long_lines(&r);
    test_large_requests();
    test_mutations(&r);
    test_untouched();
    guard_release(&g);
    return done_testing();
}
