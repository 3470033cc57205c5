// The message of an operation that failed for a reason outside the program. It names the file, the
// line and the reason. The caller owns the struct and passes it to the function. The function only
// sets the message, and the caller prints it.
#ifndef STELE_BASE_ERROR_H
#define STELE_BASE_ERROR_H

struct error {
    // One line without its newline, NUL-terminated. A longer text is cut. Safe to print, because
    // unprintable bytes are escaped (base/escape.h).
    char text[512];
};

// Sets the message. Does nothing when `e` is NULL.
void error_set(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
