// A password that is kept in a file. No message shows any of it.
#ifndef STELE_BASE_PASSWORD_H
#define STELE_BASE_PASSWORD_H

#include <stdbool.h>

struct error;

enum { PASSWORD_MAX = 512 }; // bytes

// Reads the first line of the file at `path`, without its end (LF or CR LF), to `to`, and
// terminates it by a NUL. The file may be a pipe, which is waited for. False with a message, `to`
// then being undefined, when the file cannot be read, or when the line is no password: it is empty
// or too long, or it would be cut or mean something else (a NUL byte, a carriage return inside it,
// a byte order mark, UTF-16).
bool password_read(const char *path, char to[PASSWORD_MAX + 1], struct error *error);

// The same while the program serves: it waits for no pipe, so what is no regular file is an error.
bool password_read_again(const char *path, char to[PASSWORD_MAX + 1], struct error *error);

#endif
