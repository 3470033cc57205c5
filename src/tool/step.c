// Shows the progress of one step at a time. Only the main thread calls these functions.
#include <stdio.h>
#include <unistd.h>

#include "base/terminal.h"
#include "tool/tool.h"

static struct progress step;
static bool bar_is_shown;

void tool_step(const char *name, const char *file, bool bytes)
{
    progress_begin(&step, name, file, bytes, isatty(STDERR_FILENO));
}

void tool_step_at(uint64_t done, uint64_t total)
{
    char text[PROGRESS_TEXT];
    if (total == 0 || !progress_due(&step, done, total, terminal_width(STDERR_FILENO), text))
        return;
    fprintf(stderr, step.terminal ? "\r%s\033[K" : "stele: %s\n", text);
    bar_is_shown = step.terminal;
}

void tool_step_hide(void)
{
    if (bar_is_shown)
        fputs("\r\033[K", stderr);
    bar_is_shown = false;
}

void tool_on_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    tool_step_at(done, total);
}
