// Text from outside (names of files, addresses, what a line holds) as a line for people: nothing in
// it ends the line, commands a terminal or hides what is there.
//
// Every message passes here on its way out, as a whole: error_set and log_write see to it. Who
// prints or sends a name in another way calls it himself.
#ifndef STELE_BASE_ESCAPE_H
#define STELE_BASE_ESCAPE_H

#include <stddef.h>

// Rewrites the NUL-terminated `text`, in room of `size` bytes: a byte that is no printable
// character stands as \xHH, as in C. UTF-8 stays as it is, but for control characters, for those
// that turn the direction of writing, and where it is broken. A backslash stays, too. What has no
// room any more is cut off, at a whole character. The new length.
size_t escape_in_place(char *text, size_t size);

// The same for a copy of `text`, at `to`.
size_t escape_text(const char *text, char *to, size_t size);

#endif
