// Bars that a subcommand prints on standard output, one on each line.
#ifndef STELE_TOOL_BARS_H
#define STELE_TOOL_BARS_H

struct bar {
    const char *label;
    double value;  // length of the bar, 0 or more, in any unit
    char text[48]; // printed after the bar
};

// Prints an empty line, the title, and `count` bars. The longest bar fills the width of the
// terminal, but at most 60 columns. A terminal that shows UTF-8 gets blocks; files, pipes and other
// terminals get only ASCII, so that any program can read them.
void bars_print(const char *title, const struct bar *bars, unsigned count);

#endif
