// Text from outside (names of files, addresses, the content of a line) as one line for people.
// Nothing in it ends the line, controls a terminal or hides other text.
//
// error_set and log_write pass every whole message through here. Code that prints or sends a name
// in another way calls these functions itself.
#ifndef STELE_BASE_ESCAPE_H
#define STELE_BASE_ESCAPE_H

#include <stddef.h>

// Rewrites the NUL-terminated `text` in a buffer of `size` bytes and returns the new length. A byte
// that is no printable character becomes \xHH, as in C. UTF-8 stays, except for control characters,
// characters that turn the direction of writing, and broken sequences. A backslash stays. Text that
// does not fit is cut off after a whole character.
size_t escape_in_place(char *text, size_t size);

// As escape_in_place, for a copy of `text` at `to`.
size_t escape_text(const char *text, char *to, size_t size);

#endif
