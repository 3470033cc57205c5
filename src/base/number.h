// Decimal integers in byte strings, with the strictness of Redis.
#ifndef STELE_BASE_NUMBER_H
#define STELE_BASE_NUMBER_H

#include "base/bytes.h"

enum { NUMBER_TEXT_MAX = 20 }; // "-9223372036854775808" and "18446744073709551615"

// Reads all of `s` as a signed 64-bit integer in its one canonical form: digits with an optional
// '-', no leading zero, no '+', no space. Returns false, with `*value` untouched, for anything else
// and for a number out of range. It refuses the same texts as Redis's string2ll.
bool number_parse(struct span s, int64_t *value);

// Reads a size as Redis's memtoull does: digits and a unit in either case (none or b, k, kb, m, mb,
// g, gb; k is 1000 and kb 1024). Returns false, with `*bytes` untouched, for anything else.
bool number_parse_memory(struct span s, uint64_t *bytes);

// Reads such a size, or a number from 0 to 100 followed by '%', which becomes a negative value.
// Returns false, with `*value` untouched, for anything else.
bool number_parse_memory_or_percent(struct span s, int64_t *value);

// Writes `value` in decimal at `to`, without a NUL, and returns its length. `to` has room for
// NUMBER_TEXT_MAX bytes.
size_t number_format(char *to, uint64_t value);

#endif
