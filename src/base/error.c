// Formats the one message an operation may leave behind.
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

void error_set(struct error *e, const char *format, ...)
{
    if (e == NULL)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    for (char *c = e->text; *c != '\0'; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' '; // a file's name may hold any byte; a message is one line
}
