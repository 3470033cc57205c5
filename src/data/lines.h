// The data file's text as records, one line at a time.
//
// docs/data-format.md defines the format. The reader borrows the text, never reads past its end,
// and allocates nothing.
#ifndef STELE_DATA_LINES_H
#define STELE_DATA_LINES_H

#include "base/bytes.h"
#include "data/uuid_text.h"

enum {
    // Characters before the value: the UUID and one space.
    LINE_VALUE_AT = UUID_TEXT_LEN + 1,
    // Bytes of the shortest line that holds a record; the last line may lack its newline.
    LINE_MIN = LINE_VALUE_AT,
};

struct record {
    struct uuid id;
    uint64_t offset;   // of the line's first byte in the text
    uint64_t line;     // counted from 1
    struct span value; // borrows the text
};

enum line_fault {
    LINE_BLANK,           // nothing before the newline
    LINE_BYTE_ORDER_MARK, // UTF-8's, UTF-16's or UTF-32's mark begins the file
    LINE_NOT_UUID,        // the line does not begin with a UUID
    LINE_NO_SPACE,        // no space after the UUID
};

struct line_error {
    enum line_fault fault;
    uint64_t line;
    uint64_t offset;  // of the line's first byte in the text
    struct span text; // the whole line without its newline; borrows the text
};

enum line_result { LINE_RECORD, LINE_MALFORMED, LINE_END };

struct line_reader {
    struct span text;
    uint64_t offset; // of the next line
    uint64_t line;   // number of the next line, from 1
};

// Starts at the first line of `text`, which must stay until the last lines_next.
void lines_init(struct line_reader *reader, struct span text);

// Reads one line. With LINE_RECORD `*record` is set; with LINE_MALFORMED `*error` is set, and the
// caller may go on with the next line; with LINE_END neither is set.
enum line_result lines_next(struct line_reader *reader, struct record *record,
                            struct line_error *error);

// Writes "FILE:LINE: byte OFFSET: REASON" at `to`, NUL-terminated, cut to `size`. It shows at most
// 40 bytes of the line; a backslash and each unprintable byte stand as \xHH.
void line_error_format(const struct line_error *error, const char *file, char *to, size_t size);

// The value of the record whose line begins at `offset`: the bytes after the space, up to the
// newline or the end of the text. The caller has checked that a record begins there.
struct span line_value(struct span text, uint64_t offset);

#endif
