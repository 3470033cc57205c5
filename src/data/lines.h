// Reads the text of a data file line by line and returns its records.
//
// docs/data-format.md defines the format. The reader borrows the text, never reads after its end,
// and allocates no memory.
#ifndef STELE_DATA_LINES_H
#define STELE_DATA_LINES_H

#include "base/bytes.h"
#include "data/uuid_text.h"

enum {
    // Bytes of a line before its value: the UUID and one space.
    LINE_VALUE_AT = UUID_TEXT_LEN + 1,
    // Bytes of the shortest well-formed line. It has no newline, as the last line may have none.
    LINE_MIN = LINE_VALUE_AT,
};

struct record {
    struct uuid id;
    uint64_t offset;   // offset of the line's first byte in the text
    uint64_t line;     // number of the line, counted from 1
    struct span value; // borrows the text
};

enum line_fault {
    LINE_BLANK,           // the line is empty
    LINE_BYTE_ORDER_MARK, // the file begins with the byte order mark of UTF-8, UTF-16 or UTF-32
    LINE_NOT_UUID,        // the line does not begin with a UUID
    LINE_NO_SPACE,        // no space after the UUID
};

struct line_error {
    enum line_fault fault;
    uint64_t line;    // number of the line, counted from 1
    uint64_t offset;  // offset of the line's first byte in the text
    struct span text; // the whole line without its newline; borrows the text
};

enum line_result { LINE_RECORD, LINE_MALFORMED, LINE_END };

struct line_reader {
    struct span text;
    uint64_t offset; // offset of the next line
    uint64_t line;   // number of the next line, counted from 1
};

// Starts at the first line of `text`, which must stay valid until the last call of lines_next.
void lines_init(struct line_reader *reader, struct span text);

// Reads one line. Returns LINE_RECORD and sets `*record`, or LINE_MALFORMED and sets `*error`.
// After both the caller may read the next line. Returns LINE_END, and sets neither, after the last
// line.
enum line_result lines_next(struct line_reader *reader, struct record *record,
                            struct line_error *error);

// Writes the message "FILE:LINE: byte OFFSET: REASON" at `to`, NUL-terminated and cut to `size`
// bytes. The message shows at most 40 bytes of the line; backslashes and unprintable bytes are
// written as \xHH.
void line_error_format(const struct line_error *error, const char *file, char *to, size_t size);

// Returns the value of the record whose line begins at `offset`: the bytes after the space, up to
// the newline or the end of the text. The caller has checked that a record begins there.
struct span line_value(struct span text, uint64_t offset);

#endif
