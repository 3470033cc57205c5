// Formats the message of a failed operation.
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/escape.h"

void error_set(struct error *e, const char *format, ...)
{
    if (e == NULL)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    escape_in_place(e->text, sizeof e->text); // the name of a file may contain any byte
}
