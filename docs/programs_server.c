// The command line of stele-server, from its table of options.
#include "programs.h"

#include "options.h"

const struct program *programs_server(void)
{
    static struct option_row rows[OPTIONS_ROWS_MAX];
    static struct program server = {
        .name = "stele-server", .words = "DATAFILE [OPTION]...", .rows = rows};
    server.count = options_rows(rows);
    return &server;
}

const char *const *programs_server_words(const struct option_row *row)
{
    static const char *const yes_no[] = {"yes", "no", NULL};
    const struct setting *setting = row->context;
    if (setting == NULL)
        return NULL;
    return setting->type == SETTING_YES_NO ? yes_no : setting->words;
}
