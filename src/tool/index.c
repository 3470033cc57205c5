// `stele index`: the index file made or refreshed ahead of any server, here or on another machine.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "base/progress.h"
#include "tool/tool.h"

typedef unsigned long long ull;

static void tell(void *context, bool warning, const char *text)
{
    const struct progress *progress = context;
    (void)warning;
    fprintf(stderr, "%sstele: %s\n", progress->terminal ? "\r\033[K" : "", text);
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    char text[PROGRESS_TEXT];
    if (progress_due(progress, done, total, text))
        fprintf(stderr, progress->terminal ? "\r%s\033[K" : "stele: %s\n", text);
}

int tool_index(int argc, char *argv[])
{
    struct dataset_settings settings = tool_settings();
    const char *file = NULL;
    struct progress progress;
    settings.notice = tell;
    settings.progress = show_progress;
    settings.context = &progress;
    settings.index = DATASET_INDEX_WRITE;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--skip-malformed") == 0)
            settings.malformed = DATASET_SKIP_MALFORMED;
        else if (strcmp(argv[i], "--build-memory") == 0 && i + 1 < argc &&
                 number_parse_memory(span_text(argv[i + 1]), &settings.build_memory) &&
                 settings.build_memory > 0)
            i++;
        else if (tool_index_option(&settings, argc, argv, &i))
            continue;
        else if (file == NULL && argv[i][0] != '-')
            file = argv[i];
        else
            file = "";
    }
    if (file == NULL || *file == '\0' || settings.index == DATASET_INDEX_NONE) {
        fprintf(stderr, "usage: stele index FILE [--index PATH] [--skip-malformed] "
                        "[--build-memory SIZE]\n");
        return TOOL_ERROR;
    }
    // Where the size of files is limited, writing is to fail and the temporary file to go.
    signal(SIGXFSZ, SIG_IGN);
    progress_begin(&progress, isatty(STDERR_FILENO));
    struct dataset *d = tool_open(file, &settings);
    if (progress.terminal && progress.told_ns != progress.began_ns)
        fputs("\r\033[K", stderr);
    if (d == NULL)
        return TOOL_ERROR;
    const struct dataset_figures *f = dataset_figures(d);
    bool stands = strcmp(dataset_index_status(d), "mapped") == 0;
    printf("index      %s\n", dataset_index_path(d));
    printf("keys       %llu\n", (ull)f->keys);
    printf("duplicates %llu\n", (ull)f->duplicates);
    printf("malformed  %llu\n", (ull)f->malformed);
    printf("bytes      %llu, %.2f a key\n", (ull)f->index_bytes,
           f->keys > 0 ? (double)f->index_bytes / (double)f->keys : 0.0);
    printf("built in   %.3f s\n", (double)f->build_ns / 1e9);
    return tool_close(d, stands ? TOOL_OK : TOOL_ERROR);
}
