// Glob patterns as Redis matches them.
#ifndef STELE_BASE_GLOB_H
#define STELE_BASE_GLOB_H

#include "base/bytes.h"

enum glob_case {
    GLOB_CASE_SENSITIVE,
    // As in Redis: letters of the text and the pattern are compared in lower case, also both ends
    // of a range such as `[A-C]`. Only a byte that is escaped inside brackets, as in `[\A]`, is
    // compared as it is.
    GLOB_CASE_INSENSITIVE,
    // The pattern is used as it is written. A letter of the text matches if the pattern matches its
    // lower-case or its upper-case form.
    GLOB_CASE_EITHER,
};

// Whether all of `text` matches `pattern`. `*` matches any number of bytes, `?` any byte, and `\x`
// the byte x. `[a-c]` matches a byte from a to c, and `[^a-c]` any other byte. Such brackets are
// called a class; if the `]` is missing, the class extends to the end of the pattern. As in Redis
// 7.0, an empty text matches only an empty pattern, not `*`. The time is at most proportional to
// the pattern's length times the text's. There is no recursion.
bool glob_match(struct span pattern, struct span text, enum glob_case letters);

// The same with GLOB_CASE_EITHER, except that the first `exact` bytes of the text match only as
// they are.
bool glob_match_after(struct span pattern, struct span text, size_t exact);

#endif
