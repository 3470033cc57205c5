// Decimal integers and sizes in byte strings.
#ifndef STELE_BASE_NUMBER_H
#define STELE_BASE_NUMBER_H

#include "base/bytes.h"

enum { NUMBER_TEXT_MAX = 20 }; // "-9223372036854775808" and "18446744073709551615"

// Reads all of `s` as a signed 64-bit integer in its canonical form: digits with an optional '-',
// but no leading zero, '+' or space. Returns false, with `*value` unchanged, for any other text and
// for a number out of range. Redis's string2ll refuses the same texts.
bool number_parse(struct span s, int64_t *value);

// Reads all of `s` as a size: a number from 0 to INT64_MAX in its canonical form, then a unit in
// upper or lower case. Units are b, k, kb, m, mb, g and gb; k is 1000 and kb is 1024. Without a
// unit the number is in bytes. Returns false, with `*bytes` unchanged, for any other text, and when
// the size does not fit into 64 bits. The units are those of Redis's memtoull. But memtoull also
// accepts leading zeros, and does not notice sizes that are too large.
bool number_parse_memory(struct span s, uint64_t *bytes);

// Reads a size as number_parse_memory does, or a percentage: a number from 0 to 100 and '%'. For a
// percentage, `*value` is minus that number: "50%" gives -50. Returns false, with `*value`
// unchanged, for any other text.
bool number_parse_memory_or_percent(struct span s, int64_t *value);

// Writes `value` in decimal at `to`, without a NUL, and returns the length of the text. `to` has
// room for NUMBER_TEXT_MAX bytes.
size_t number_format(char *to, uint64_t value);

#endif
