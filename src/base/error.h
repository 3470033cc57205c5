// The message of an operation that the outside world refused. It names the file, the line and the
// reason. The caller owns the struct, passes it down and prints it; libraries only fill it in.
#ifndef STELE_BASE_ERROR_H
#define STELE_BASE_ERROR_H

struct error {
    // One line without a newline, NUL-terminated, cut to this size. Safe to print (base/escape.h).
    char text[512];
};

// Sets the message. When `e` is NULL the message is dropped.
void error_set(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
