// A page that is shown in a terminal and drawn again and again, in place of the terminal's content.
// The terminal is restored when the page ends, also when a signal ends the program.
//
// Only the main thread calls these functions. Nothing here needs more than the sequences that all
// terminals of today know.
#ifndef STELE_TOOL_SCREEN_H
#define STELE_TOOL_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

// Whether standard input and output are terminals that can show a page.
bool screen_is_possible(void);

// Clears the terminal, and switches off the echo of keys. Returns false when that is not possible.
bool screen_open(void);

// Restores the terminal. Does nothing if no page is open.
void screen_close(void);

// The size of the terminal, in characters. At least 1.
unsigned screen_columns(void);
unsigned screen_rows(void);

// Draws a page: lines that are separated by newlines, and are not longer than the terminal is wide.
// What is below the last of them stays.
// Returns false when the terminal is gone.
bool screen_draw(struct span page);

enum screen_event {
    SCREEN_READY, // the descriptor can be read
    SCREEN_TIME,  // the time has come
    SCREEN_DRAW,  // the page must be drawn again: the size has changed
    SCREEN_QUIT,  // the user has pressed q, or the terminal is gone
};

// Waits until the descriptor `fd` can be read (-1: none), until `until_ns` of the monotonic clock,
// or for the user. Without an open page there is no user to wait for.
enum screen_event screen_wait(int fd, uint64_t until_ns);

#endif
