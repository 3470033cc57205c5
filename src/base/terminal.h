// The width of the terminal.
#ifndef STELE_BASE_TERMINAL_H
#define STELE_BASE_TERMINAL_H

// The columns of the terminal `fd`, or the environment's COLUMNS when that is less. When `fd` is no
// terminal, COLUMNS, or 80 without it.
unsigned terminal_width(int fd);

#endif
