// Glob patterns as Redis matches them.
#ifndef STELE_BASE_GLOB_H
#define STELE_BASE_GLOB_H

#include "base/bytes.h"

enum glob_case {
    GLOB_CASE_SENSITIVE,
    GLOB_CASE_INSENSITIVE, // as in Redis: the ends of a range are folded, an escaped byte is not
    GLOB_CASE_EITHER,      // each letter of the text is tried in both cases; the pattern as written
};

// Whether all of `text` matches `pattern`: `*` matches any run, `?` any byte, `[a-c]` and `[^a-c]`
// are classes, `\x` is the byte x itself. An unclosed class ends with the pattern. As in Redis 7.0
// an empty text matches only an empty pattern, not `*`. For every pattern the time is at most
// proportional to pattern length × text length, and there is no recursion.
bool glob_match(struct span pattern, struct span text, enum glob_case letters);

#endif
