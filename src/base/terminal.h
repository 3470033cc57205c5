// The width of the terminal.
#ifndef STELE_BASE_TERMINAL_H
#define STELE_BASE_TERMINAL_H

// Returns the number of columns of the terminal `fd`, or the value of the environment variable
// COLUMNS if that is less. When `fd` is not a terminal, returns COLUMNS, or 80 if it is not set.
unsigned terminal_width(int fd);

#endif
