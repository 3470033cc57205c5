// Asks the terminal each time: its window may be resized at any moment.
#include "base/terminal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { USUAL_WIDTH = 80 };

unsigned terminal_width(int fd)
{
    const char *columns = getenv("COLUMNS");
    unsigned long said = columns != NULL ? strtoul(columns, NULL, 10) : 0;
    struct winsize size = {0};
    bool told = said > 0 && said <= 65535;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return told && said < size.ws_col ? (unsigned)said : size.ws_col;
    return told ? (unsigned)said : USUAL_WIDTH;
}
