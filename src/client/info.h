// The fields of INFO: lines `name:value`. A value may have parts: `calls=1,usec=2`.
//
// Nothing is copied or allocated: all spans point into the text, which may be hostile.
#ifndef STELE_CLIENT_INFO_H
#define STELE_CLIENT_INFO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

// A field or a part of one.
struct info_field {
    struct span name;
    struct span value;
};

// Sets `field` to the next field from `*at` on, and moves `*at` past it. Begin with 0. Skips
// lines that are no fields. Returns false when there is none.
bool info_next(struct span info, size_t *at, struct info_field *field);

// The value of the first field with this name. Returns an empty span when there is none.
struct span info_text(struct span info, const char *name);

// The value of the first field with this name, if it is a number like -12 or 0.5, with at most 20
// characters. Returns false, with `*value` unchanged, when it is not or there is none.
bool info_number(struct span info, const char *name, double *value);

// These three do the same for the parts of a value.
bool info_next_part(struct span value, size_t *at, struct info_field *part);
struct span info_part_text(struct span value, const char *name);
bool info_part_number(struct span value, const char *name, double *number);

// Reads all of `text` as such a number. Returns false, with `*value` unchanged, for any other text.
bool info_parse_number(struct span text, double *value);

#endif
