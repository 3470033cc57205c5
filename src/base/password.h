// A password that is kept in a file. No message shows any of it.
#ifndef STELE_BASE_PASSWORD_H
#define STELE_BASE_PASSWORD_H

#include <stdbool.h>

struct error;

enum { PASSWORD_MAX = 512 }; // bytes

// Copies the first line of the file at `path` to `to`, without its end (LF or CR LF), and adds a
// NUL. The file may be a pipe; the call waits for it. Returns false with a message, and `to`
// unspecified, when the file cannot be read or the line is no password. A password is not empty,
// not too long, and has no NUL byte, no carriage return, no byte order mark, and is not UTF-16.
bool password_read(const char *path, char to[PASSWORD_MAX + 1], struct error *error);

// As password_read, while the program serves: it waits for no pipe, so only a regular file will do.
bool password_read_again(const char *path, char to[PASSWORD_MAX + 1], struct error *error);

#endif
