// Writes the table of options into README.md: copies standard input to standard output, with the
// rows of the table that begins with HEAD made anew from --help. `make docs` runs it, and `make
// check-docs` compares.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define HEAD "| option | meaning |\n"

// Prints a cell's text; a '|' would end the cell.
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

static void print_row(const struct option_row *row)
{
    char text[1024];
    if (row->name == NULL) {
        printf("| **%s** | |\n", row->help);
        return;
    }
    printf("| `");
    print_cell(row->name);
    if (row->value != NULL) {
        printf(" ");
        print_cell(row->value);
    }
    printf("` | ");
    command_line_explain(row, text, sizeof text);
    print_cell(text);
    printf(" |\n");
}

int main(void)
{
    struct option_row rows[OPTIONS_ROWS_MAX];
    unsigned count = options_rows(rows);
    char *line = NULL;
    size_t room = 0;
    bool in_table = false;
    bool found = false;
    while (getline(&line, &room, stdin) >= 0) {
        bool begins = strcmp(line, HEAD) == 0;
        in_table = begins || (in_table && *line == '|');
        if (!in_table)
            fputs(line, stdout);
        if (!begins)
            continue;
        found = true;
        fputs(HEAD "|---|---|\n", stdout);
        for (unsigned i = 0; i < count; i++)
            print_row(&rows[i]);
    }
    free(line);
    if (!found)
        fputs("docs/options: no table begins with " HEAD, stderr);
    return found && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
