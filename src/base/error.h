// The message of an operation the world refused: it names the file, the line and the reason.
//
// The caller places the struct, passes it down and prints it; libraries only fill it in.
#ifndef STELE_BASE_ERROR_H
#define STELE_BASE_ERROR_H

struct error {
    // One line without a newline, NUL-terminated; cut when longer. Safe to print (base/escape.h).
    char text[512];
};

// Sets the message. `e` may be NULL: the message is then dropped.
void error_set(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
