// Reading a password from a file. No message shows any of the password.
#ifndef STELE_BASE_PASSWORD_H
#define STELE_BASE_PASSWORD_H

#include <stdbool.h>

struct error;

enum { PASSWORD_MAX = 512 }; // bytes

// Copies the first line of the file at `path` to `to`, without its end (LF or CR LF), and adds a
// NUL. The file may be a pipe, which the call waits for. Returns false with a message, and `to`
// unspecified, when the file cannot be read or the line is not a password. A password has 1 to
// PASSWORD_MAX bytes, without NUL bytes, carriage returns or a byte order mark, and is not UTF-16.
bool password_read(const char *path, char to[PASSWORD_MAX + 1], struct error *error);

// As password_read, for a program that is already serving. The call must not wait, so it refuses a
// file that is not regular.
bool password_read_again(const char *path, char to[PASSWORD_MAX + 1], struct error *error);

#endif
