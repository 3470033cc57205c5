// Fuzz target: the line reader and the UUID parser. They must not read outside the text, must
// report the right offset of each line, and must accept exactly the valid UUIDs.
//
// An input is the text of a data file, in a block of exactly its size. The test finds the lines
// again with memchr, and reads the UUIDs digit by digit.
#include "data/lines.h"
#include "data/uuid_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "support/fuzz.h"

// Reads a UUID digit by digit, by the rules of data/uuid.h.
static bool is_uuid(struct span line, struct uuid *id)
{
    *id = (struct uuid){0, 0};
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        unsigned char byte = (unsigned char)line.ptr[i];
        if (hyphen && byte != '-')
            return false;
        if (hyphen)
            continue;
        if (byte > 127 || !isxdigit(byte))
            return false;
        id->hi = id->hi << 4 | id->lo >> 60;
        id->lo = id->lo << 4 | (unsigned)(byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10);
    }
    return true;
}

static void check_uuid(struct span line)
{
    char text[UUID_TEXT_LEN];
    struct uuid read;
    struct uuid known;
    bool good = uuid_parse(line.ptr, &read);
    must(good == is_uuid(line, &known), "uuid_parse accepts exactly the valid UUIDs");
    if (!good)
        return;
    must(uuid_equal(read, known), "a UUID's bits are its digits");
    uuid_format(read, text);
    for (size_t i = 0; i < UUID_TEXT_LEN; i++)
        must(text[i] == ascii_lower(line.ptr[i]), "a UUID is written as it was read");
}

static void check_fault(const struct line_error *error, struct span line, uint64_t offset)
{
    char text[64];
    must(error->offset == offset && error->text.ptr == line.ptr && error->text.len == line.len,
         "a fault has the offset and the text of its line");
    must((error->fault == LINE_BLANK) == (line.len == 0),
         "exactly empty lines are reported as blank");
    if (error->fault == LINE_NO_SPACE) {
        struct uuid id;
        must(line.len >= UUID_TEXT_LEN && is_uuid(line, &id),
             "a line without a space begins with a UUID");
    }
    for (size_t size = 1; size <= sizeof text; size += 21) {
        line_error_format(error, "f", text, size);
        must(memchr(text, '\0', size) != NULL, "a message has a NUL");
    }
}

static void check_record(const struct record *record, struct span text, struct span line)
{
    struct uuid id;
    must(line.len >= LINE_VALUE_AT && line.ptr[UUID_TEXT_LEN] == ' ' && is_uuid(line, &id) &&
             uuid_equal(id, record->id),
         "a record's line begins with its UUID and a space");
    must(record->value.ptr == line.ptr + LINE_VALUE_AT &&
             record->value.len == line.len - LINE_VALUE_AT,
         "a value is the rest of the line");
    struct span value = line_value(text, record->offset);
    must(value.ptr == record->value.ptr && value.len == record->value.len,
         "a value is found by its offset");
}

static void check_text(struct span text)
{
    struct line_reader reader;
    struct record record;
    struct line_error error;
    enum line_result result;
    size_t begin = 0;
    uint64_t number = 1;
    lines_init(&reader, text);
    while ((result = lines_next(&reader, &record, &error)) != LINE_END) {
        must(begin < text.len, "a line is in the text");
        const char *newline = memchr(text.ptr + begin, '\n', text.len - begin);
        size_t end = newline != NULL ? (size_t)(newline - text.ptr) : text.len;
        struct span line = {text.ptr + begin, end - begin};
        must(reader.offset <= text.len, "the reader stays in the text");
        if (line.len >= UUID_TEXT_LEN)
            check_uuid(line);
        if (result == LINE_RECORD) {
            must(record.offset == begin && record.line == number,
                 "a record has the offset and number of its line");
            check_record(&record, text, line);
        } else {
            must(error.line == number, "a fault has the number of its line");
            check_fault(&error, line, begin);
            // A byte order mark makes the first line malformed, whatever follows.
            struct uuid id;
            must(error.fault == LINE_BYTE_ORDER_MARK || line.len < LINE_VALUE_AT ||
                     line.ptr[UUID_TEXT_LEN] != ' ' || !is_uuid(line, &id),
                 "a valid line is not reported as a fault");
        }
        begin = end + (newline != NULL);
        number++;
    }
    must(begin == text.len, "no line is left out");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size > 0 ? size : 1);
    must(exact != NULL, "memory for a text");
    if (size > 0)
        memcpy(exact, data, size);
    check_text(span_of(exact, size));
    free(exact);
    return 0;
}
