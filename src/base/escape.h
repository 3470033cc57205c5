// Makes text from outside (names of files, addresses, lines of a file) safe to print. The result is
// one line, and nothing in it controls a terminal or hides other text.
//
// error_set and log_write escape every message. Code that prints or sends a name in another way
// calls these functions itself.
#ifndef STELE_BASE_ESCAPE_H
#define STELE_BASE_ESCAPE_H

#include <stddef.h>

// Escapes the NUL-terminated `text` in its buffer of `size` bytes and returns the new length. A
// byte that is not part of a printable character becomes \xHH, as in C. UTF-8 characters stay,
// except control characters and those that change the direction of text. Bytes of broken UTF-8 are
// escaped. A backslash stays. Text that does not fit is cut after a whole character.
size_t escape_in_place(char *text, size_t size);

// As escape_in_place, but writes to the buffer `to` of `size` bytes and leaves `text` as it is.
size_t escape_text(const char *text, char *to, size_t size);

#endif
