// The width of what text is shown on.
#ifndef STELE_BASE_TERMINAL_H
#define STELE_BASE_TERMINAL_H

// The columns of the terminal that `fd` is, or what the environment's COLUMNS says if that is less.
// Where `fd` is no terminal, COLUMNS; 80 where nothing says.
unsigned terminal_width(int fd);

#endif
