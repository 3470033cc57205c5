// Tests of the parser of PROXY protocol headers: good headers of both versions and bad ones, each
// prefix of a good header, each byte of it changed, hostile lengths, and random bytes.
//
// Each input ends at a guard page. So the address sanitizer reports any access after its end.
#include "net/proxy_header.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/address.h"
#include "support/guard.h"
#include "support/talk.h"
#include "support/tap.h"

enum { RANDOM_INPUTS = 200000, FIXED_LEN = 16 };

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4_ADDRESSES "\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x18\xeb"
#define TCP6_ADDRESSES                                                                             \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\xff\xff\0\x01"
#define DOTS_27 "..........................."
#define DOTS_108 DOTS_27 DOTS_27 DOTS_27 DOTS_27
#define UNIX_ADDRESSES DOTS_108 DOTS_108 // the path of each end
#define TLVS "\x01\0\x05redis\x20\0\x02\x01\0"

// `client` is the address of the client; empty: the header names none.
static const struct {
    const char *name;
    struct span bytes;
    const char *client;
} good[] = {
    {"version 1, TCP4", BYTES("PROXY TCP4 192.0.2.1 10.0.0.1 12345 6379\r\n"), "192.0.2.1:12345"},
    {"version 1, TCP6", BYTES("PROXY TCP6 2001:db8::1 fd00::2 65535 1\r\n"), "[2001:db8::1]:65535"},
    {"version 1, port 0", BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 0 65535\r\n"),
     "255.255.255.255:0"},
    {"version 1, the longest line with addresses",
     BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {"version 1, unknown", BYTES("PROXY UNKNOWN\r\n"), ""},
    {"version 1, unknown, and 107 bytes",
     BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     ""},
    {"version 2, TCP4", BYTES(SIGNATURE "\x21\x11\0\x0c" TCP4_ADDRESSES), "192.0.2.1:12345"},
    {"version 2, TCP6", BYTES(SIGNATURE "\x21\x21\0\x24" TCP6_ADDRESSES), "[2001:db8::1]:65535"},
    {"version 2, TCP4 and further fields", BYTES(SIGNATURE "\x21\x11\0\x19" TCP4_ADDRESSES TLVS),
     "192.0.2.1:12345"},
    {"version 2, unix", BYTES(SIGNATURE "\x21\x31\0\xd8" UNIX_ADDRESSES), ""},
    {"version 2, unknown", BYTES(SIGNATURE "\x21\0\0\0"), ""},
    {"version 2, unknown, and further fields", BYTES(SIGNATURE "\x21\0\0\x0d" TLVS), ""},
    {"version 2, local", BYTES(SIGNATURE "\x20\0\0\0"), ""},
    {"version 2, local, with addresses, which do not count",
     BYTES(SIGNATURE "\x20\x11\0\x0c" TCP4_ADDRESSES), ""},
    {"version 2, local, of an unknown kind", BYTES(SIGNATURE "\x20\xff\0\x02??"), ""},
};

static const struct {
    struct span bytes;
    const char *fault;
} malformed[] = {
    {BYTES("*1\r\n$4\r\nPING\r\n"), "the first bytes are no header"},
    {BYTES("P\r\n"), "the first bytes are no header"},
    {BYTES("\r\n\r\n\0\r\nQUIR"), "the first bytes are no header"},
    {BYTES("PROXY \r\n"), "its line is malformed"},
    {BYTES("PROXY \n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.1 10.0.0.1 12345 6379\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.1 10.0.0.1 12345\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.1 10.0.0.1 12345 6379 1\r\n"), "its line is malformed"},
    {BYTES("PROXY  TCP4 192.0.2.1 10.0.0.1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4  192.0.2.1 10.0.0.1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.1 10.0.0.1 65536 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.1 10.0.0.1 -1 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.1 10.0.0.1 012345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.256 10.0.0.1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 192.0.2.1\0 10.0.0.1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP4 ::1 ::1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY TCP6 192.0.2.1 10.0.0.1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY tcp4 192.0.2.1 10.0.0.1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY UDP4 192.0.2.1 10.0.0.1 12345 6379\r\n"), "its line is malformed"},
    {BYTES("PROXY UNKNOWNS\r\n"), "its line is malformed"},
    {BYTES(SIGNATURE "\x11\x11\0\x0c"), "its version or its command is unknown"},
    {BYTES(SIGNATURE "\x22\x11\0\x0c"), "its version or its command is unknown"},
    {BYTES(SIGNATURE "\x21\x12\0\x0c"), "its kind of address is unknown"},
    {BYTES(SIGNATURE "\x21\x41\0\x0c"), "its kind of address is unknown"},
    {BYTES(SIGNATURE "\x21\x01\0\x0c"), "its kind of address is unknown"},
    {BYTES(SIGNATURE "\x21\x11\0\x0b"), "its addresses are cut"},
    {BYTES(SIGNATURE "\x21\x11\0\0"), "its addresses are cut"},
    {BYTES(SIGNATURE "\x21\x21\0\x23"), "its addresses are cut"},
    {BYTES(SIGNATURE "\x21\x31\0\xd7"), "its addresses are cut"},
    {BYTES(SIGNATURE "\x21\x11\x0f\xf1"), "it is longer than 4096 bytes"},
    {BYTES(SIGNATURE "\x20\0\xff\xff"), "it is longer than 4096 bytes"},
};

static enum proxy_header_status parse(struct span input, struct proxy_header *header)
{
    struct guard guard = {0};
    struct bytes copy = guard_copy(&guard, input);
    memset(header, 0xff, sizeof *header);
    enum proxy_header_status status = proxy_header_parse(span_of(copy.ptr, copy.len), header);
    guard_release(&guard);
    return status;
}

// Returns the client's address as text; empty: the header names none.
static const char *client_of(const struct proxy_header *header)
{
    static char text[ADDRESS_TEXT];
    text[0] = '\0';
    if (header->has_client)
        address_format((const struct sockaddr *)&header->client, sizeof header->client, text);
    return text;
}

static bool is_complete(struct span input, size_t len, const char *client)
{
    struct proxy_header header;
    return parse(input, &header) == PROXY_HEADER_COMPLETE && header.len == len &&
           strcmp(client_of(&header), client) == 0;
}

static void check_good(void)
{
    struct proxy_header header;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        struct span bytes = good[i].bytes;
        struct buf longer = {0};
        unsigned partial = 0;
        ok(is_complete(bytes, bytes.len, good[i].client), "%s: its length and client",
           good[i].name);
        for (size_t len = 0; len < bytes.len; len++)
            partial += parse(span_of(bytes.ptr, len), &header) == PROXY_HEADER_PARTIAL;
        is_number(partial, (int64_t)bytes.len, "%s: each prefix may become a header", good[i].name);
        buf_append(&longer, bytes);
        buf_append(&longer, SPAN("\r\nPING\r\n"));
        ok(is_complete(buf_span(&longer), bytes.len, good[i].client),
           "%s: what follows does not matter", good[i].name);
        buf_release(&longer);
    }
}

static void check_malformed(void)
{
    for (unsigned i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct proxy_header header;
        struct span bytes = malformed[i].bytes;
        char name[80];
        snprintf(name, sizeof name, "malformed header %u", i + 1);
        if (ok(parse(bytes, &header) == PROXY_HEADER_BAD, "%s is refused", name))
            is_text(header.fault, malformed[i].fault, "%s: the reason", name);
    }
}

// A line without an end is refused as soon as it is too long, and so is a length of version 2.
static void check_lengths(void)
{
    struct proxy_header header;
    struct buf line = {0};
    buf_append_text(&line, "PROXY UNKNOWN ");
    append_bytes(&line, 'x', PROXY_HEADER_V1_MAX - line.len - 1);
    is_number(parse(buf_span(&line), &header), PROXY_HEADER_PARTIAL, "106 bytes without an end");
    append_bytes(&line, '\r', 1);
    is_number(parse(buf_span(&line), &header), PROXY_HEADER_BAD, "107 bytes without an end");
    is_text(header.fault, "its line is too long", "the reason");
    append_bytes(&line, '\n', 1);
    is_number(parse(buf_span(&line), &header), PROXY_HEADER_BAD, "a line of 108 bytes");
    buf_release(&line);

    struct buf longest = {0};
    buf_append(&longest, SPAN(SIGNATURE "\x21\x11\x0f\xf0" TCP4_ADDRESSES));
    append_bytes(&longest, '\x7f', PROXY_HEADER_MAX - longest.len);
    ok(is_complete(buf_span(&longest), PROXY_HEADER_MAX, "192.0.2.1:12345"),
       "the longest header of version 2");
    longest.len--;
    is_number(parse(buf_span(&longest), &header), PROXY_HEADER_PARTIAL, "without its last byte");
    buf_release(&longest);
    unsigned wrong = 0;
    for (unsigned len = 0; len <= UINT16_MAX; len++) {
        char fixed[FIXED_LEN] = SIGNATURE "\x20";
        fixed[14] = (char)(len >> 8);
        fixed[15] = (char)(len & 0xff);
        enum proxy_header_status wanted = len == 0 ? PROXY_HEADER_COMPLETE
                                          : len <= PROXY_HEADER_MAX - FIXED_LEN
                                              ? PROXY_HEADER_PARTIAL
                                              : PROXY_HEADER_BAD;
        wrong += proxy_header_parse(span_of(fixed, sizeof fixed), &header) != wanted;
    }
    is_number(wrong, 0, "each length of version 2 is accepted, awaited or refused");
}

// Parses each prefix of the input. Returns false if the results contradict each other: once an
// input is bad or complete, it stays so, with the same length, whatever comes after it.
static bool is_consistent(struct span input)
{
    struct proxy_header first = {0};
    enum proxy_header_status settled = PROXY_HEADER_PARTIAL;
    for (size_t len = 0; len <= input.len; len++) {
        struct proxy_header header;
        enum proxy_header_status status = proxy_header_parse(span_of(input.ptr, len), &header);
        if (settled != PROXY_HEADER_PARTIAL &&
            (status != settled || header.len != first.len || header.fault != first.fault))
            return false;
        if (status == PROXY_HEADER_COMPLETE && header.len > len)
            return false;
        if (status == PROXY_HEADER_BAD && header.fault == NULL)
            return false;
        if (settled == PROXY_HEADER_PARTIAL)
            first = header;
        settled = status;
    }
    return true;
}

static void check_changed(void)
{
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        struct buf changed = {0};
        unsigned wrong = 0;
        buf_append(&changed, good[i].bytes);
        for (size_t at = 0; at < changed.len; at++) {
            char before = changed.ptr[at];
            for (unsigned byte = 0; byte < 256; byte++) {
                struct proxy_header header;
                changed.ptr[at] = (char)byte;
                // Without a guard page, because its system calls would take minutes. The sanitizer
                // guards the ends of the buffer.
                enum proxy_header_status status = proxy_header_parse(buf_span(&changed), &header);
                wrong += status == PROXY_HEADER_COMPLETE ? header.len > changed.len
                         : status == PROXY_HEADER_BAD    ? header.fault == NULL
                                                         : false;
                if (byte % 16 == 7)
                    wrong += !is_consistent(buf_span(&changed));
            }
            changed.ptr[at] = before;
        }
        is_number(wrong, 0, "%s: each byte changed to each other byte", good[i].name);
        buf_release(&changed);
    }
}

// Random bytes, most of them pieces of headers.
static void check_random(struct random *r)
{
    static const struct span pieces[] = {
        SPAN("PROXY "),         SPAN("TCP4 "),          SPAN("TCP6 "),   SPAN("UNKNOWN"),
        SPAN("\r\n"),           SPAN("1.2.3.4 "),       SPAN("::1 "),    SPAN("6379 "),
        SPAN("80\r\n"),         SPAN("\x21\x11\0\x0c"), SPAN(SIGNATURE), SPAN("\x20\0\0\0"),
        SPAN("\x21\x21\0\x24"), SPAN(TCP6_ADDRESSES),
    };
    unsigned wrong = 0;
    unsigned complete = 0;
    for (unsigned i = 0; i < RANDOM_INPUTS; i++) {
        struct proxy_header header;
        struct buf input = {0};
        for (uint64_t count = 1 + random_below(r, 8); count > 0; count--) {
            if (random_below(r, 8) == 0)
                append_bytes(&input, (char)random_next(r), 1 + random_below(r, 4));
            else
                buf_append(&input, pieces[random_below(r, sizeof pieces / sizeof *pieces)]);
        }
        wrong += !is_consistent(buf_span(&input));
        complete += proxy_header_parse(buf_span(&input), &header) == PROXY_HEADER_COMPLETE;
        buf_release(&input);
    }
    is_number(wrong, 0, "random inputs");
    ok(complete > 0, "some of them are headers: %u", complete);
}

int main(void)
{
    struct random r = random_seeded();
    check_good();
    check_malformed();
    check_lengths();
    check_changed();
    check_random(&r);
    return done_testing();
}
