// Reading lines with system calls (data/dataset_read.c) finds what the mapping has: hits, misses,
// near misses, values around the size of the buffer, and the first and the last line. What cannot
// be read is never a miss and never another value.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mapping.h"
#include "data/dataset.h"
#include "faults/support/slow_disk.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"

enum { PAGE = 4096, BUFFER = 1024, ROOM = 64 * 1024 };

static char room[ROOM];

// ---- one dataset --------------------------------------------------------------------------------

static struct dataset *open_text(const char *name, struct span text, enum dataset_index index)
{
    static struct opened o; // the dataset gives notices as long as it is open
    notices_clear(&o.notices);
    unlink(test_path(name));
    opened_init(&o, test_file(name, text), index, NULL);
    require(o.dataset != NULL, "%s", o.error.text);
    dataset_finish(o.dataset, NULL);
    return o.dataset;
}

static struct uuid key_of(const char *text)
{
    struct uuid id;
    require(uuid_parse(text, &id), "%s is no key", text);
    return id;
}

static const char *name_of(enum dataset_read found)
{
    static const char *const names[] = {
        [DATASET_READ_FOUND] = "found",   [DATASET_READ_LONG] = "long",
        [DATASET_READ_ABSENT] = "absent", [DATASET_READ_UNREADABLE] = "unreadable",
        [DATASET_READ_COLD] = "cold",
    };
    return names[found];
}

// Reads the key into a buffer of exactly `size` bytes, so that the sanitizer sees an access after
// its end. Returns the result as text: for a value that was found, "found VALUE".
static const char *read_key(const struct dataset *d, struct uuid id, bool wait, size_t size)
{
    struct dataset_line line = {0};
    char *buffer = malloc(size);
    require(buffer != NULL, "no memory");
    enum dataset_read found = dataset_read_key(d, id, wait, (struct bytes){buffer, size}, &line);
    size_t len = (size_t)snprintf(room, sizeof room, "%s", name_of(found));
    if (found == DATASET_READ_FOUND) {
        require(line.value.len < sizeof room - 16, "a long value");
        len += (size_t)snprintf(room + len, sizeof room - len, " %.*s", (int)line.value.len,
                                line.value.ptr);
    }
    free(buffer);
    return room;
}

static const char *read_rank(const struct dataset *d, uint64_t rank, bool wait, size_t size)
{
    struct dataset_line line = {0};
    struct uuid id = {0, 0};
    char key[UUID_TEXT_LEN];
    char *buffer = malloc(size);
    require(buffer != NULL, "no memory");
    enum dataset_read found =
        dataset_read_rank(d, rank, wait, (struct bytes){buffer, size}, &id, &line);
    int len = snprintf(room, sizeof room, "%s", name_of(found));
    uuid_format(id, key);
    if (found == DATASET_READ_FOUND)
        snprintf(room + len, sizeof room - (size_t)len, " %.36s %.*s", key, (int)line.value.len,
                 line.value.ptr);
    else if (found == DATASET_READ_LONG)
        snprintf(room + len, sizeof room - (size_t)len, " %.36s", key);
    free(buffer);
    return room;
}

// ---- what is found ------------------------------------------------------------------------------

#define A "10000000-0000-4000-8000-000000000001"
#define B "20000000-0000-4000-8000-000000000002"
#define C "30000000-0000-4000-8000-000000000003"
#define ABSENT "30000000-0000-4000-8000-000000000004"

static void check_lines(bool last_newline)
{
    struct buf text = {0};
    buf_append_text(&text, B " bb\n" C " \n" A " first a\n" A " a");
    buf_append_text(&text, last_newline ? "\n" : "");
    struct dataset *d = open_text("lines", buf_span(&text), DATASET_INDEX_NONE);
    const char *end = last_newline ? "with a newline at the end" : "without a newline at the end";
    for (int wait = 0; wait < 2; wait++) {
        is_text(read_key(d, key_of(B), wait, BUFFER), "found bb", "%s: the first line", end);
        is_text(read_key(d, key_of(C), wait, BUFFER), "found ", "%s: an empty value", end);
        is_text(read_key(d, key_of(A), wait, BUFFER), "found a", "%s: the last line", end);
        is_text(read_key(d, key_of(ABSENT), wait, BUFFER), "absent", "%s: a missing key", end);
        is_text(read_rank(d, 0, wait, BUFFER), "found " A " a", "%s: rank 0", end);
        is_text(read_rank(d, 2, wait, BUFFER), "found " C " ", "%s: the last rank", end);
        is_text(read_rank(d, 3, wait, BUFFER), "unreadable", "%s: there is no such rank", end);
    }
    ok(dataset_read_offset(d, key_of(ABSENT)) == DATASET_NO_OFFSET &&
           dataset_read_offset_of_rank(d, 3) == DATASET_NO_OFFSET,
       "%s: a read that needs no data has no offset", end);
    is_number(dataset_damage(d), 0, "%s: no damage", end);
    dataset_close(d);
    buf_release(&text);
}

// The shortest file: one line without a value and without a newline.
static void check_shortest(void)
{
    struct dataset *d = open_text("lines", span_text(A " "), DATASET_INDEX_NONE);
    is_text(read_key(d, key_of(A), true, BUFFER), "found ", "the shortest file");
    is_text(read_key(d, key_of(A), false, BUFFER), "found ", "the same without waiting");
    dataset_close(d);
}

// Keys that differ in the last bit of a stored key: most end at the same slots of the index.
static void check_near_misses(enum dataset_index index)
{
    const struct table table = {11, 20000};
    struct buf text = {0};
    table_append(&table, &text);
    struct dataset *d = open_text("table.data", buf_span(&text), index);
    unsigned wrong = 0;
    unsigned read = 0;
    for (size_t i = 0; i < table.count; i += 4) {
        char wanted[TABLE_VALUE + 16] = "found ";
        struct uuid id = table_key(&table, i);
        table_value(&table, i, wanted + 6);
        wrong += strcmp(read_key(d, id, i % 8 == 0, BUFFER), wanted) != 0;
        wrong += dataset_read_offset(d, id) >= text.len;
        id.lo ^= 1;
        read += dataset_read_offset(d, id) != DATASET_NO_OFFSET;
        wrong += strcmp(read_key(d, id, i % 8 == 0, BUFFER), "absent") != 0;
    }
    is_number(wrong, 0, "every key has its value, and near misses are absent");
    ok(index != DATASET_INDEX_NONE || read > 0, "some near misses had to be compared: %u", read);
    dataset_close(d);
    buf_release(&text);
}

// ---- sizes of the buffer ------------------------------------------------------------------------

// Reads a value of `len` bytes with buffers around the size that it needs.
static void check_sizes(size_t len, bool first, bool last_newline)
{
    struct buf text = {0};
    if (!first)
        buf_append_text(&text, B " b\n");
    buf_append_text(&text, A " ");
    append_bytes(&text, 'v', len);
    if (last_newline)
        buf_append_text(&text, "\n" C " c\n");
    struct dataset *d = open_text("lines", buf_span(&text), DATASET_INDEX_NONE);
    size_t needed = (size_t)!first + UUID_TEXT_LEN + 1 + len + last_newline;
    unsigned wrong = 0;
    for (size_t size = needed - 3; size <= needed + 3; size++) {
        bool fits = size >= needed;
        for (int wait = 0; wait < 2; wait++) {
            const char *got = read_key(d, key_of(A), wait, size);
            bool found = strncmp(got, "found ", 6) == 0 && strlen(got) == len + 6;
            bool right = fits ? found : strcmp(got, "long") == 0;
            if (!right)
                diag("value of %zu, buffer of %zu, needed %zu: %.20s", len, size, needed, got);
            wrong += !right;
            got = read_rank(d, 0, wait, size);
            wrong += strncmp(got, fits ? "found " A " " : "long " A, fits ? 43 : 41) != 0;
        }
    }
    is_number(wrong, 0, "%s value of %zu bytes %s a newline: buffers of 3 bytes less to 3 more",
              first ? "a first" : "a", len, last_newline ? "before" : "without");
    ok(strncmp(read_key(d, key_of(A), true, len + DATASET_READ_EXTRA), "found ", 6) == 0,
       "a buffer of %d bytes more than the value is enough", DATASET_READ_EXTRA);
    dataset_close(d);
    buf_release(&text);
}

// ---- the end of a long value --------------------------------------------------------------------

// Finds the end of a value of `len` bytes, which takes `calls` calls. `lost` is the number of bytes
// at its end that cannot be read.
static void check_end(size_t len, bool last_newline, size_t lost, unsigned calls)
{
    struct buf text = {0};
    buf_append_text(&text, A " ");
    append_bytes(&text, 'v', len);
    if (last_newline)
        buf_append_text(&text, "\n" C " c\n");
    struct dataset *d = open_text("lines", buf_span(&text), DATASET_INDEX_NONE);
    slow_disk_reset();
    if (lost > 0)
        slow_disk_fail(UUID_TEXT_LEN + 1 + len - lost, UINT64_MAX, EIO);
    struct span value = {NULL, 0};
    enum dataset_read found = DATASET_READ_LONG;
    unsigned made = 0;
    while (found == DATASET_READ_LONG && made <= calls) {
        size_t before = value.len;
        found = dataset_read_end(d, 0, &value);
        made++;
        require(found != DATASET_READ_LONG || value.len == before + DATASET_END_STEP,
                "a step of %zu bytes", value.len - before);
    }
    const char *end = last_newline ? "before a newline" : "without a newline";
    is_text(name_of(found), lost > 0 ? "unreadable" : "found", "the end of %zu bytes %s", len, end);
    is_number(made, calls, "after this number of calls");
    ok(lost > 0 || (value.len == len && value.ptr == dataset_text(d).ptr + UUID_TEXT_LEN + 1),
       "the value is in the mapping");
    is_number(dataset_damage(d) > 0, lost > 0, "damage is noted, if there is any");
    slow_disk_reset();
    dataset_close(d);
    buf_release(&text);
}

static void check_ends(void)
{
    enum { PIECE = 16 * 1024, STEP = DATASET_END_STEP };
    static const size_t lens[] = {0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, STEP - 1};
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
        check_end(lens[i], true, 0, 1);
        check_end(lens[i], false, 0, 1);
    }
    check_end(STEP, true, 0, 2); // the newline is the first byte of the second step
    check_end(STEP, false, 0, 1);
    check_end(2 * STEP + 5, true, 0, 3);
    check_end(2 * STEP + 5, false, 0, 3);
    check_end(3 * PIECE, true, 1, 1);
    check_end(3 * PIECE, false, PIECE, 1);
    check_end(STEP + PIECE, true, 1, 2);
}

// ---- what is not in memory ----------------------------------------------------------------------

// Lines of 64 bytes, 64 to a page; line `n` has key `n` and the value "value-N......".
enum { LINE = 64, LINES = 256 };

static struct uuid numbered(unsigned n)
{
    return (struct uuid){0x1000000000004000u + ((uint64_t)n << 32), 0x8000000000000000u + n};
}

static void append_line(struct buf *text, unsigned n)
{
    char key[UUID_TEXT_LEN];
    uuid_format(numbered(n), key);
    buf_append(text, span_of(key, sizeof key));
    char value[LINE];
    snprintf(value, sizeof value, " value-%08u............", n);
    buf_append(text, span_of(value, LINE - UUID_TEXT_LEN - 1));
    buf_append_text(text, "\n");
}

static const char *value_of(unsigned n)
{
    static char value[LINE];
    snprintf(value, sizeof value, "found value-%08u............", n);
    return value;
}

static struct dataset *open_numbered(enum dataset_index index)
{
    struct buf text = {0};
    for (unsigned n = 0; n < LINES; n++)
        append_line(&text, n);
    require(text.len == LINES * LINE, "lines of %d bytes", LINE);
    struct dataset *d = open_text("numbered", buf_span(&text), index);
    buf_release(&text);
    return d;
}

static void check_cold(void)
{
    struct dataset *d = open_numbered(DATASET_INDEX_NONE);
    slow_disk_reset();
    slow_disk_cold(PAGE, 2 * PAGE); // lines 64 to 127; the newline before line 64 is warm
    is_text(read_key(d, numbered(63), false, BUFFER), value_of(63),
            "a line before the cold page, although the buffer reaches into it");
    is_text(read_key(d, numbered(64), false, BUFFER), "cold", "the first line of the cold page");
    is_text(read_key(d, numbered(100), false, BUFFER), "cold", "a line inside the cold page");
    is_text(read_key(d, numbered(100), true, BUFFER), value_of(100), "the same with waiting");
    is_text(read_rank(d, 100, false, BUFFER), "cold", "its rank");
    is_text(read_key(d, numbered(128), false, BUFFER), "cold",
            "a line whose newline before it is cold");
    is_text(read_key(d, numbered(129), false, BUFFER), value_of(129), "a line after it");
    slow_disk_cold(PAGE - 20, PAGE); // the value of line 63
    is_text(read_key(d, numbered(63), false, BUFFER), "cold", "a line with a cold end");
    is_text(read_rank(d, 63, false, BUFFER), "cold", "its rank");
    slow_disk_cold(PAGE - 1, PAGE);
    is_text(read_key(d, numbered(63), false, BUFFER), "cold", "a line with a cold newline");
    slow_disk_cold(0, LINES * LINE);
    is_text(read_key(d, numbered(1000), false, BUFFER), "absent", "a miss reads no data");
    is_number(dataset_damage(d), 0, "cold is not damaged");
    slow_disk_reset();
    for (size_t most = 1; most <= 41; most += 8) {
        slow_disk_shorten(most);
        is_text(read_key(d, numbered(64), true, BUFFER), value_of(64), "%zu bytes a read", most);
        is_text(read_key(d, numbered(64), false, BUFFER), "cold",
                "%zu bytes a read without waiting: the rest may be cold", most);
    }
    slow_disk_reset();
    dataset_close(d);
}

// ---- what cannot be read ------------------------------------------------------------------------

static void check_io_error(void)
{
    struct dataset *d = open_numbered(DATASET_INDEX_NONE);
    slow_disk_reset();
    slow_disk_fail(PAGE, 2 * PAGE, EIO);
    is_text(read_key(d, numbered(100), false, BUFFER), "cold",
            "an I/O error without waiting is left to the read that waits");
    is_number(dataset_damage(d), 0, "and is no damage yet");
    is_text(read_key(d, numbered(100), true, BUFFER), "unreadable", "an I/O error");
    ok(dataset_damage(d) > 0, "is noted as damage");
    slow_disk_reset(); // the page can be read again, but counts as lost
    is_text(read_key(d, numbered(100), true, BUFFER), "unreadable", "the page stays lost");
    is_text(read_rank(d, 100, true, BUFFER), "unreadable", "for ranks too");
    is_text(read_key(d, numbered(20), false, BUFFER), "cold",
            "a damaged file is read only with waiting");
    is_text(read_key(d, numbered(20), true, BUFFER), value_of(20), "lines of other pages are read");
    is_text(read_rank(d, 200, true, BUFFER) + 6 + UUID_TEXT_LEN, value_of(200) + 5,
            "for ranks too");
    is_text(read_key(d, numbered(1000), true, BUFFER), "absent", "a missing key is absent");
    dataset_check(d);
    is_text(dataset_status(d), "unreadable", "status");
    dataset_close(d);

    d = open_numbered(DATASET_INDEX_NONE);
    slow_disk_fail(PAGE, 2 * PAGE, ENOMEM);
    is_text(read_key(d, numbered(100), true, BUFFER), "unreadable", "no memory for the page");
    slow_disk_reset();
    is_text(read_key(d, numbered(100), true, BUFFER), value_of(100), "is no damage");
    is_number(dataset_damage(d), 0, "and not noted");
    dataset_close(d);
}

static void check_cut(size_t len)
{
    struct dataset *d = open_numbered(DATASET_INDEX_NONE);
    unsigned lost = (unsigned)(len / LINE); // the first line that is not whole
    unsigned wrong = 0;
    slow_disk_reset();
    file_resize(test_path("numbered"), len);
    for (unsigned n = LINES; n-- > 0;) {
        const char *wanted = n < lost ? value_of(n) : "unreadable";
        if (strcmp(read_key(d, numbered(n), true, BUFFER), wanted) != 0)
            diag("cut at %zu, line %u: %s", len, n, room), wrong++;
    }
    is_number(wrong, 0, "cut at byte %zu: lines before it are read, all others unreadable", len);
    is_text(read_key(d, numbered(1000), true, BUFFER), "absent", "a missing key is absent");
    dataset_close(d);
}

static void check_overwritten(void)
{
    struct dataset *d = open_numbered(DATASET_INDEX_NONE);
    char other[LINE + 1];
    struct buf text = {0};
    slow_disk_reset();
    append_line(&text, 999);
    file_patch(test_path("numbered"), 50 * LINE, buf_span(&text));
    snprintf(other, sizeof other, "%s", read_key(d, numbered(50), true, BUFFER));
    ok(strcmp(other, "absent") == 0 || strcmp(other, "unreadable") == 0,
       "a line that has another key now: %s", other);
    file_patch(test_path("numbered"), 60 * LINE - 1, span_text("x"));
    snprintf(other, sizeof other, "%s", read_key(d, numbered(60), true, BUFFER));
    ok(strcmp(other, "absent") == 0 || strcmp(other, "unreadable") == 0,
       "a line that begins no line any more: %s", other);
    is_text(read_rank(d, 60, true, BUFFER), "unreadable", "its rank");
    is_text(read_key(d, numbered(51), true, BUFFER), value_of(51), "the line after it");
    buf_release(&text);
    dataset_close(d);
    d = open_numbered(DATASET_INDEX_NONE);
    file_patch(test_path("numbered"), LINES * LINE - 1, span_text("x"));
    is_text(read_key(d, numbered(LINES - 1), true, BUFFER), "unreadable",
            "the last line without the newline that it had");
    dataset_close(d);
}

// A damaged block of the index hides keys. They must not be absent.
static void check_damaged_index(void)
{
    const struct table table = {12, 50000};
    struct buf text = {0};
    table_append(&table, &text);
    unlink(test_path("table.data.idx"));
    struct dataset *d = open_text("table.data", buf_span(&text), DATASET_INDEX_WRITE);
    require(dataset_index_is_mapped(d) || strcmp(dataset_index_status(d), "mapped") == 0,
            "no index file: %s", dataset_index_status(d));
    char noise[4096];
    memset(noise, 0xa5, sizeof noise);
    size_t at = 4096 + dataset_figures(d)->index_bytes / 2;
    file_patch(test_path("table.data.idx"), at, span_of(noise, sizeof noise));
    unsigned found = 0, unreadable = 0, wrong = 0;
    for (size_t i = 0; i < table.count; i++) {
        char wanted[TABLE_VALUE + 16] = "found ";
        table_value(&table, i, wanted + 6);
        const char *got = read_key(d, table_key(&table, i), true, BUFFER);
        found += strcmp(got, wanted) == 0;
        unreadable += strcmp(got, "unreadable") == 0;
        wrong += strcmp(got, wanted) != 0 && strcmp(got, "unreadable") != 0;
    }
    is_number(wrong, 0, "an index with damage: no key is absent or has another value");
    ok(unreadable > 0 && found > 0, "%u keys are hidden, %u are not", unreadable, found);
    dataset_close(d);
    buf_release(&text);
}

static void check_fits(void)
{
    struct dataset *d = open_numbered(DATASET_INDEX_NONE);
    uint64_t bytes = LINES * LINE + dataset_figures(d)->index_bytes;
    ok(dataset_fits_in_memory(d, bytes) && !dataset_fits_in_memory(d, bytes - 1),
       "data and index fit into %llu bytes, and not into one less", (unsigned long long)bytes);
    ok(dataset_index_stays(d), "an index in memory stays there");
    dataset_close(d);
}

int main(void)
{
    mapping_catch_faults();
    check_lines(true);
    check_lines(false);
    check_shortest();
    check_near_misses(DATASET_INDEX_NONE);
    check_near_misses(DATASET_INDEX_WRITE);
    static const size_t lengths[] = {4, 100, PAGE - 38, PAGE, 3 * PAGE + 5};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int k = 0; k < 4; k++)
            check_sizes(lengths[i], k / 2 == 1, k % 2 == 1);
    check_ends();
    check_cold();
    check_io_error();
    check_cut(LINES * LINE - 1);
    check_cut(100 * LINE + 1);
    check_cut(2 * PAGE);
    check_cut(20);
    check_overwritten();
    check_damaged_index();
    check_fits();
    return done_testing();
}
