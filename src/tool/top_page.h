// The page of `stele top`: the figures of one server, as lines of text.
#ifndef STELE_TOOL_TOP_PAGE_H
#define STELE_TOOL_TOP_PAGE_H

#include "base/bytes.h"

struct top_page {
    const char *address;
    struct span now; // reply to INFO
    // An earlier reply of the same process. NULL `ptr`: there is none, so no rates are known.
    struct span before;
    double seconds;    // time between the two; more than 0
    const char *state; // text of the last line; NULL: no such line
    unsigned columns;  // most characters in a line
    unsigned rows;     // most lines; 0: no limit
};

// Appends the page. Each line ends with a newline. What the server has sent is shown escaped; a
// figure that it has not sent is shown as "-".
void top_page(const struct top_page *p, struct buf *to);

#endif
