// Reading lines: every kind of good and malformed line, with its exact message and position. Also
// every prefix of a good file, and files that end at the end of a page.
#include "data/lines.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/simd.h"
#include "data/newline.h"
#include "data/uuid_text.h"
#include "support/guard.h"
#include "support/tap.h"

#define ID1 "01234567-89ab-cdef-0123-456789abcdef"
#define ID2 "ffffffff-ffff-ffff-ffff-ffffffffffff"
#define UPPER1 "01234567-89AB-CDEF-0123-456789aBcDeF"
#define NIL "00000000-0000-0000-0000-000000000000"
#define SPAN(literal)                                                                              \
    {                                                                                              \
        literal, sizeof literal - 1                                                                \
    }

// Writes what the reader returns for a text: "LINE@OFFSET ID=value|" for a record, "message|" for
// an error. Also checks what is true for every line.
static void describe(struct span text, struct buf *to)
{
    struct line_reader reader;
    struct record record;
    struct line_error error;
    enum line_result result;
    uint64_t lines = 0;
    uint64_t expected_offset = 0;
    lines_init(&reader, text);
    while ((result = lines_next(&reader, &record, &error)) != LINE_END) {
        uint64_t line = result == LINE_RECORD ? record.line : error.line;
        uint64_t offset = result == LINE_RECORD ? record.offset : error.offset;
        require(line == ++lines && offset == expected_offset, "line %llu has the wrong offset",
                (unsigned long long)line);
        expected_offset = reader.offset;
        if (result == LINE_RECORD) {
            char id[UUID_TEXT_LEN];
            uuid_format(record.id, id);
            buf_printf(to, "%llu@%llu %.*s=", (unsigned long long)line, (unsigned long long)offset,
                       UUID_TEXT_LEN, id);
            buf_append(to, record.value);
            struct span again = line_value(text, offset);
            require(again.ptr == record.value.ptr && again.len == record.value.len,
                    "line_value and lines_next disagree");
        } else {
            char message[512];
            line_error_format(&error, "f", message, sizeof message);
            buf_append_text(to, message);
            require(error.text.ptr == text.ptr + offset, "the text of an error is not its line");
        }
        buf_append_text(to, "|");
    }
    require(reader.offset == text.len, "the last offset is not the end of the text");
    require(lines_next(&reader, &record, &error) == LINE_END, "LINE_END is not returned again");
}

// Does the same for a copy of the text that ends at a guard page.
static void describe_guarded(struct span text, struct buf *to)
{
    struct guard g = {0};
    struct bytes copy = guard_copy(&g, text);
    describe(span_of(copy.ptr, copy.len), to);
    guard_release(&g);
}

static void test_rulings(void)
{
    static const struct {
        const char *name;
        struct span text;
        struct span wanted;
    } cases[] = {
        {"an empty file has no lines", SPAN(""), SPAN("")},
        {"one line", SPAN(ID1 " value\n"), SPAN("1@0 " ID1 "=value|")},
        {"the last newline may be missing", SPAN(ID1 " value"), SPAN("1@0 " ID1 "=value|")},
        {"two lines", SPAN(ID1 " a\n" ID2 " bc\n"), SPAN("1@0 " ID1 "=a|2@39 " ID2 "=bc|")},
        {"two lines, the last without its newline", SPAN(ID1 " a\n" ID2 " bc"),
         SPAN("1@0 " ID1 "=a|2@39 " ID2 "=bc|")},
        {"a CR belongs to the value", SPAN(ID1 " a\r\n" ID2 " b\r\n"),
         SPAN("1@0 " ID1 "=a\r|2@40 " ID2 "=b\r|")},
        {"a CR alone is a value and does not end a line", SPAN(ID1 " \r\n" ID2 " a\rb\r"),
         SPAN("1@0 " ID1 "=\r|2@39 " ID2 "=a\rb\r|")},
        {"an empty value after the space is allowed", SPAN(ID1 " \n" ID2 " "),
         SPAN("1@0 " ID1 "=|2@38 " ID2 "=|")},
        {"the second of two spaces belongs to the value", SPAN(ID1 "  a\n"),
         SPAN("1@0 " ID1 "= a|")},
        {"trailing spaces and tabs belong to the value", SPAN(ID1 " a \t \n"),
         SPAN("1@0 " ID1 "=a \t |")},
        {"NUL and 0x80-0xff belong to the value", SPAN(ID1 " \0\x80\xff\0\n" ID2 " \0"),
         SPAN("1@0 " ID1 "=\0\x80\xff\0|2@42 " ID2 "=\0|")},
        {"a UUID in a value belongs to the value", SPAN(ID1 " " ID2 " x\n"),
         SPAN("1@0 " ID1 "=" ID2 " x|")},
        {"upper and mixed case are the same key", SPAN(UPPER1 " a\n"), SPAN("1@0 " ID1 "=a|")},
        {"the nil UUID is a key", SPAN(NIL " a\n"), SPAN("1@0 " NIL "=a|")},
        {"both duplicates are records", SPAN(ID1 " a\n" ID1 " b\n"),
         SPAN("1@0 " ID1 "=a|2@39 " ID1 "=b|")},

        {"a file of one newline is a blank line", SPAN("\n"), SPAN("f:1: byte 0: blank line|")},
        {"a blank line is malformed, and the next line is read", SPAN(ID1 " a\n\n" ID2 " b\n"),
         SPAN("1@0 " ID1 "=a|f:2: byte 39: blank line|3@40 " ID2 "=b|")},
        {"a blank last line", SPAN(ID1 " a\n\n"), SPAN("1@0 " ID1 "=a|f:2: byte 39: blank line|")},
        {"a line with only a CR", SPAN("\r\n"), SPAN("f:1: byte 0: not a UUID: '\\x0d'|")},
        {"a line of spaces", SPAN("  \n"), SPAN("f:1: byte 0: not a UUID: '  '|")},
        {"a key only", SPAN(ID1 "\n"), SPAN("f:1: byte 0: no space after the UUID: '" ID1 "'|")},
        {"a key only at the end of the file", SPAN(ID1),
         SPAN("f:1: byte 0: no space after the UUID: '" ID1 "'|")},
        {"a key only, CR LF", SPAN(ID1 "\r\n"),
         SPAN("f:1: byte 0: no space after the UUID: '" ID1 "\\x0d'|")},
        {"a tab instead of the space", SPAN(ID1 "\tab\n" ID2 " b"),
         SPAN("f:1: byte 0: no space after the UUID: '" ID1 "\\x09ab'|2@40 " ID2 "=b|")},
        {"a NUL instead of the space", SPAN(ID1 "\0a\n"),
         SPAN("f:1: byte 0: no space after the UUID: '" ID1 "\\x00a'|")},
        {"37 hexadecimal characters", SPAN(ID1 "0 a\n"),
         SPAN("f:1: byte 0: no space after the UUID: '" ID1 "0 a'|")},
        {"a line without a space", SPAN("abc\n" ID1 " a\n"),
         SPAN("f:1: byte 0: not a UUID: 'abc'|2@4 " ID1 "=a|")},
        {"a space before the key", SPAN(" " ID1 " a\n"),
         SPAN("f:1: byte 0: not a UUID: ' " ID1 " a'|")},
        {"a key of 35 characters", SPAN("1234567-89ab-cdef-0123-456789abcdef a\n"),
         SPAN("f:1: byte 0: not a UUID: '1234567-89ab-cdef-0123-456789abcdef a'|")},
        {"a key across two lines", SPAN("01234567-89ab-cdef\n0123-456789abcdef a\n"),
         SPAN("f:1: byte 0: not a UUID: '01234567-89ab-cdef'|"
              "f:2: byte 19: not a UUID: '0123-456789abcdef a'|")},
        {"a key whose last digit is the newline", SPAN("01234567-89ab-cdef-0123-456789abcde\n a\n"),
         SPAN("f:1: byte 0: not a UUID: '01234567-89ab-cdef-0123-456789abcde'|"
              "f:2: byte 36: not a UUID: ' a'|")},
        {"32 hexadecimal digits", SPAN("0123456789abcdef0123456789abcdef a\n"),
         SPAN("f:1: byte 0: not a UUID: '0123456789abcdef0123456789abcdef a'|")},
        {"braces", SPAN("{" ID1 "} a\n"), SPAN("f:1: byte 0: not a UUID: '{" ID1 "} a'|")},
        {"gzip by mistake", SPAN("\x1f\x8b\x08\x00\x00\n\x80"),
         SPAN("f:1: byte 0: not a UUID: '\\x1f\\x8b\\x08\\x00\\x00'|"
              "f:2: byte 6: not a UUID: '\\x80'|")},
        {"one NUL", SPAN("\0"), SPAN("f:1: byte 0: not a UUID: '\\x00'|")},
        {"format characters are shown as they are", SPAN("%s%n\n"),
         SPAN("f:1: byte 0: not a UUID: '%s%n'|")},
#define MARK "f:1: byte 0: byte order mark before the first record|"
        {"UTF-8's byte order mark", SPAN("\xef\xbb\xbf" ID1 " a\n" ID2 " b\n"),
         SPAN(MARK "2@42 " ID2 "=b|")},
        {"UTF-8's mark alone", SPAN("\xef\xbb\xbf"), SPAN(MARK)},
        {"UTF-16's marks, little endian", SPAN("\xff\xfe"), SPAN(MARK)},
        {"UTF-16's marks, big endian", SPAN("\xfe\xff\0a"), SPAN(MARK)},
        {"UTF-32's mark, big endian", SPAN("\0\0\xfe\xff\n" ID1 " a"), SPAN(MARK "2@5 " ID1 "=a|")},
        {"two thirds of a mark", SPAN("\xef\xbb"), SPAN("f:1: byte 0: not a UUID: '\\xef\\xbb'|")},
        {"a byte order mark elsewhere has no meaning", SPAN(ID1 " a\n\xef\xbb\xbf\n"),
         SPAN("1@0 " ID1 "=a|f:2: byte 39: not a UUID: '\\xef\\xbb\\xbf'|")},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf got = {0};
        describe_guarded(cases[i].text, &got);
        is_bytes(buf_span(&got), cases[i].wanted, "%s", cases[i].name);
        buf_release(&got);
    }
}

// A line is malformed if any byte of its key, or the space after it, is replaced by a wrong byte.
static void test_spoiled(void)
{
    static const char good[] = ID1 " v";
    unsigned wrong = 0;
    for (unsigned place = 0; place < LINE_VALUE_AT; place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char line[sizeof good];
            memcpy(line, good, sizeof good);
            line[place] = (char)byte;
            struct line_reader reader;
            struct record record;
            struct line_error error;
            struct uuid id;
            lines_init(&reader, span_of(line, sizeof good - 1));
            bool record_wanted = uuid_parse(line, &id) && line[UUID_TEXT_LEN] == ' ';
            enum line_result result = lines_next(&reader, &record, &error);
            wrong += result != (record_wanted ? LINE_RECORD : LINE_MALFORMED);
            wrong += reader.offset != (byte == '\n' ? place + 1 : sizeof good - 1);
        }
    }
    is_number(wrong, 0, "a line is a record exactly if it begins with a UUID and a space");
}

static void test_messages(void)
{
    static const struct {
        const char *name;
        struct span line;
        const char *wanted;
    } cases[] = {
        {"all of 40 bytes are shown", SPAN("0123456789012345678901234567890123456789"),
         "d/x.data:7: byte 5000000000: not a UUID: '0123456789012345678901234567890123456789'"},
        {"40 of 41 bytes are shown", SPAN("0123456789012345678901234567890123456789z"),
         "d/x.data:7: byte 5000000000: not a UUID: '0123456789012345678901234567890123456789...'"},
        {"each unprintable byte is escaped", SPAN(" ~\x1f\x7f\x80\xff\t\r"),
         "d/x.data:7: byte 5000000000: not a UUID: ' ~\\x1f\\x7f\\x80\\xff\\x09\\x0d'"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct line_error error = {LINE_NOT_UUID, 7, 5000000000, cases[i].line};
        char message[256];
        line_error_format(&error, "d/x.data", message, sizeof message);
        is_text(message, cases[i].wanted, "%s", cases[i].name);
    }

    char escapes[41 * 4 + 1] = "";
    char line[41];
    memset(line, '\x01', sizeof line);
    for (unsigned i = 0; i < 40; i++)
        memcpy(escapes + i * 4, "\\x01", sizeof "\\x01");
    for (unsigned len = 39; len <= 41; len++) {
        struct line_error error = {LINE_NOT_UUID, 1, 0, {line, len}};
        char message[256];
        char wanted[256];
        line_error_format(&error, "f", message, sizeof message);
        snprintf(wanted, sizeof wanted, "f:1: byte 0: not a UUID: '%.*s%s'",
                 (int)(len < 40 ? len : 40) * 4, escapes, len > 40 ? "..." : "");
        is_text(message, wanted, "%u unprintable bytes are %s", len,
                len > 40 ? "cut after 40" : "all shown");
    }

    struct line_error error = {LINE_NOT_UUID, 1, 0, SPAN("abc")};
    const char *whole = "f:1: byte 0: not a UUID: 'abc'";
    unsigned wrong = 0;
    for (size_t size = 1; size < 40; size++) {
        struct guard g = {0};
        char room[40] = {0};
        struct bytes to = guard_copy(&g, span_of(room, size));
        line_error_format(&error, "f", to.ptr, size);
        size_t len = strlen(whole) < size ? strlen(whole) : size - 1;
        wrong += strlen(to.ptr) != len || memcmp(to.ptr, whole, len) != 0;
        guard_release(&g);
    }
    is_number(wrong, 0, "a message is cut to the size of the buffer and NUL-terminated");
}

static void test_prefixes(void)
{
    static const char file[] = ID1 " a\n" UPPER1 " \n" ID2 " x\0y\r\n" NIL " last";
    unsigned wrong = 0;
    for (size_t len = 0; len < sizeof file; len++) {
        // The complete lines are read as before; for the last line it depends on its length.
        struct buf got = {0};
        struct buf wanted = {0};
        size_t start = 0;
        for (unsigned line = 1; start < len; line++) {
            const char *newline = memchr(file + start, '\n', len - start);
            size_t end = newline != NULL ? (size_t)(newline - file) : len;
            int shown = (int)(end - start);
            char id[UUID_TEXT_LEN];
            for (unsigned i = 0; i < sizeof id && start + i < sizeof file; i++)
                id[i] = ascii_lower(file[start + i]);
            if (shown >= LINE_MIN) {
                buf_printf(&wanted, "%u@%zu %.*s=", line, start, UUID_TEXT_LEN, id);
                buf_append(&wanted, span_of(file + start + LINE_MIN, end - start - LINE_MIN));
            } else {
                buf_printf(&wanted, "f:%u: byte %zu: %s: '%.*s'", line, start,
                           shown == UUID_TEXT_LEN ? "no space after the UUID" : "not a UUID", shown,
                           file + start);
            }
            buf_append_text(&wanted, "|");
            start = end + 1;
        }
        describe_guarded(span_of(file, len), &got);
        wrong += !span_equal(buf_span(&got), buf_span(&wanted));
        buf_release(&got);
        buf_release(&wanted);
    }
    is_number(wrong, 0, "each prefix of a good file is read to its end");
}

// Files that end at the end of a page, so that no byte after them can be read.
static void test_page_multiples(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static const char *const ends[] = {ID2 " v\n", ID2 " v", ID2 " ", ID2, ID2 "\n", "0", "\n"};
    for (size_t pages = 1; pages <= 2; pages++) {
        for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
            struct buf file = {0};
            struct buf got = {0};
            size_t first = pages * page - strlen(ends[i]);
            buf_append_text(&file, ID1 " ");
            while (file.len < first - 1)
                buf_append_text(&file, "v");
            buf_append_text(&file, "\n");
            buf_append_text(&file, ends[i]);
            require(file.len == pages * page, "the file does not end at the end of a page");
            describe_guarded(buf_span(&file), &got);
            // The text for the second line follows "1@0 ID1=vvv|", the text for the first one.
            size_t behind = strlen("1@0 " ID1 "=|") + (first - 1 - LINE_VALUE_AT);
            struct span tail = {got.ptr + behind, got.len - behind};
            char wanted[128];
            size_t len = strcspn(ends[i], "\n");
            if (len >= LINE_MIN)
                snprintf(wanted, sizeof wanted, "2@%zu " ID2 "=%.*s|", first, (int)len - LINE_MIN,
                         ends[i] + LINE_MIN);
            else if (len == 0)
                snprintf(wanted, sizeof wanted, "f:2: byte %zu: blank line|", first);
            else
                snprintf(wanted, sizeof wanted, "f:2: byte %zu: %s: '%.*s'|", first,
                         len == UUID_TEXT_LEN ? "no space after the UUID" : "not a UUID", (int)len,
                         ends[i]);
            is_bytes(tail, span_text(wanted), "%zu pages that end in %zu bytes of a last line",
                     pages, strlen(ends[i]));
            buf_release(&file);
            buf_release(&got);
        }
    }
}

// Every form of the search for a newline: lengths below and above those that memchr handles, the
// newline at each position, more newlines after it, and bytes with similar values instead of it.
static void test_newline_search(void)
{
    enum { LONGEST = 3 * NEWLINE_WINDOW + 1 };
    static const char near_newline[] = {'\x0b', '\x09', '\x8a', '\x1a', '\0'};
    unsigned wrong = 0;
    for (size_t len = 0; len <= LONGEST; len++) {
        struct guard g = {0};
        char content[LONGEST] = {0};
        struct bytes text = guard_copy(&g, span_of(content, len));
        for (size_t place = 0; place <= len; place++) {
            memset(text.ptr, near_newline[place % sizeof near_newline], len);
            if (place < len)
                text.ptr[place] = '\n';
            if (place + 1 < len)
                text.ptr[len - 1] = '\n';
            wrong += newline_find_scalar(text.ptr, len) != place;
            wrong += SIMD(newline_find)(text.ptr, len) != place;
            size_t count = 0;
            for (size_t i = 0; i < len; i++)
                count += text.ptr[i] == '\n';
            wrong += newline_count_scalar(text.ptr, len) != count;
            wrong += SIMD(newline_count)(text.ptr, len) != count;
        }
        guard_release(&g);
    }
    is_number(wrong, 0, "newlines are found and counted at each position of a text of each length");
}

// Maps `len` bytes of zeros of which most are the same 2 MiB of a file, again and again. So they
// take address space, and neither that much memory nor a page fault for each page. The first and
// the last pieces are memory of their own.
static char *map_zeros(size_t len)
{
    const size_t piece = 2 * 1024 * 1024;
    char *text =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int fd = memfd_create("zeros", MFD_CLOEXEC);
    require(text != MAP_FAILED, "no address space for a line of 4 GiB");
    require(fd >= 0 && ftruncate(fd, (off_t)piece) == 0, "no file of zeros");
    for (size_t at = piece; at < len - 2 * piece; at += piece)
        require(mmap(text + at, piece, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) !=
                    MAP_FAILED,
                "cannot map the zeros again");
    close(fd);
    return text;
}

static void test_line_of_4_gib(void)
{
    const size_t len = (UINT64_C(1) << 32) + 4096;
    const char last[] = "\n" ID2 " v";
    char *text = map_zeros(len);
    memcpy(text, ID1 " ", LINE_VALUE_AT);
    size_t second = len - (sizeof last - 1) + 1;
    memcpy(text + second - 1, last, sizeof last - 1);
    struct line_reader reader;
    struct record record;
    struct line_error error;
    lines_init(&reader, span_of(text, len));
    ok(lines_next(&reader, &record, &error) == LINE_RECORD, "a line of more than 4 GiB is read");
    is_number((int64_t)record.value.len, (int64_t)second - 1 - LINE_VALUE_AT,
              "the length of its value");
    ok(lines_next(&reader, &record, &error) == LINE_RECORD &&
           span_equal(record.value, span_text("v")),
       "the line after it is read");
    is_number((int64_t)record.offset, (int64_t)second,
              "the offset of that line needs more than 32 bits");
    munmap(text, len);
}

int main(void)
{
    test_rulings();
    test_spoiled();
    test_messages();
    test_prefixes();
    test_page_multiples();
    test_newline_search();
    test_line_of_4_gib();
    return done_testing();
}
