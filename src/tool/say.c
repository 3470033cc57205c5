// Prints the tool's messages on standard error, and escapes the names of files.
#include <stdarg.h>
#include <stdio.h>

#include "base/escape.h"
#include "tool/tool.h"

void tool_say(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    escape_in_place(text, sizeof text);
    fprintf(stderr, "stele: %s\n", text);
}

const char *tool_name(const char *name)
{
    static char text[4096];
    escape_text(name, text, sizeof text);
    return text;
}
