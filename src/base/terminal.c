// Asks the terminal on each call, because its window may be resized at any moment.
#include "base/terminal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { USUAL_WIDTH = 80 };

unsigned terminal_width(int fd)
{
    const char *columns = getenv("COLUMNS");
    unsigned long wanted = columns != NULL ? strtoul(columns, NULL, 10) : 0;
    struct winsize size = {0};
    bool is_set = wanted > 0 && wanted <= 65535;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return is_set && wanted < size.ws_col ? (unsigned)wanted : size.ws_col;
    return is_set ? (unsigned)wanted : USUAL_WIDTH;
}
