// stele: the dataset tool. Finds the subcommand; everything else is in tool/.
#include <stdio.h>
#include <string.h>

#include "base/mapping.h"
#include "base/version.h"
#include "tool/tool.h"

static const struct {
    const char *name;
    int (*run)(int argc, char *argv[]);
    const char *help;
} subcommands[] = {
    {"bench", tool_bench,
     "bench FILE [--index PATH|none]  time building the index and looking up in it"},
    {"check", tool_check,
     "check FILE [--all | --index]  validate every line, naming malformed and replaced ones (ten, "
     "or "
     "all); or the index file"},
    {"index", tool_index,
     "index FILE [--index PATH] [--skip-malformed] [--build-memory SIZE]  write the index file, or "
     "see that it stands"},
    {"get", tool_get, "get FILE KEY...     print the values of keys, a line each"},
    {"scan", tool_scan,
     "scan FILE [--from UUID] [--to UUID] [--prefix HEX] [--limit N]  print a range in key order"},
};
enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static void usage(FILE *to)
{
    fprintf(to, "usage: stele SUBCOMMAND ...\n\n");
    for (unsigned i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %s\n", subcommands[i].help);
    fprintf(to, "\nExit status: 0 yes, 1 no (get: a key is missing; check: a line is "
                "malformed, the index is not the file's), 2 "
                "error.\n");
}

int main(int argc, char *argv[])
{
    mapping_catch_faults();
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return TOOL_OK;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        printf("stele %s\n", STELE_VERSION);
        return TOOL_OK;
    }
    for (unsigned i = 0; argc >= 2 && i < SUBCOMMANDS; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    if (argc >= 2)
        fprintf(stderr, "stele: unknown subcommand '%s'\n", argv[1]);
    usage(stderr);
    return TOOL_ERROR;
}
