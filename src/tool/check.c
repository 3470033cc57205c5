// `stele check`: would this file be served, and what is in it?
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/lines.h"
#include "data/trie.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum { SHOWN = 10, MESSAGE_MAX = 512 };

// Reads the lines once more, now that it is known which record of each key is the last, and names
// those that are not served.
static void show_lines(const struct dataset *d, const char *path, bool all)
{
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    ull malformed = 0;
    ull replaced = 0;
    lines_init(&reader, dataset_text(d));
    while ((result = lines_next(&reader, &record, &fault)) != LINE_END) {
        char message[MESSAGE_MAX];
        uint64_t served;
        if (result == LINE_MALFORMED) {
            line_error_format(&fault, path, message, sizeof message);
            if (all || malformed < SHOWN)
                printf("%s\n", message);
            malformed++;
        } else if (trie_find(dataset_trie(d), record.id, &served) && served != record.offset) {
            if (all || replaced < SHOWN)
                printf("%s:%llu: byte %llu: replaced by a later line of the same key\n", path,
                       (ull)record.line, (ull)record.offset);
            replaced++;
        }
    }
    if (!all && malformed > SHOWN)
        printf("(%llu more malformed lines; --all names them)\n", malformed - SHOWN);
    if (!all && replaced > SHOWN)
        printf("(%llu more replaced lines; --all names them)\n", replaced - SHOWN);
}

static bool check_trie(const struct dataset *d)
{
    struct trie_shape shape;
    struct error error;
    if (!trie_check(dataset_trie(d), &shape, &error)) {
        fprintf(stderr, "stele: the index is wrong: %s\n", error.text);
        return false;
    }
    printf("trie       %llu nodes, depth %u, largest leaf %llu\n", (ull)shape.nodes, shape.depth,
           (ull)shape.leaf_max);
    return true;
}

static void show_figures(const struct dataset_figures *f)
{
    printf("bytes      %llu\n", (ull)f->data_bytes);
    printf("lines      %llu\n", (ull)f->lines);
    printf("malformed  %llu\n", (ull)f->malformed);
    printf("keys       %llu\n", (ull)f->keys);
    printf("duplicates %llu\n", (ull)f->duplicates);
    printf("values     %llu bytes\n", (ull)f->value_bytes);
    printf("index      %llu bytes, %.2f a key, built in %.3f s\n", (ull)f->index_bytes,
           f->keys > 0 ? (double)f->index_bytes / (double)f->keys : 0.0, (double)f->build_ns / 1e9);
}

static int check_data(const char *path, bool all)
{
    struct dataset_settings settings = tool_settings();
    settings.malformed = DATASET_SKIP_MALFORMED;
    settings.index = DATASET_INDEX_NONE;
    struct dataset *d = tool_open(path, &settings);
    if (d == NULL)
        return TOOL_ERROR;
    const struct dataset_figures *f = dataset_figures(d);
    int code = f->malformed > 0 ? TOOL_NO : TOOL_OK;
    if (f->malformed > 0 || f->duplicates > 0)
        show_lines(d, path, all);
    show_figures(f);
    if (!check_trie(d))
        code = TOOL_ERROR;
    return tool_close(d, code);
}

static int check_index(const char *path)
{
    struct dataset_settings settings = tool_settings();
    struct error error = {""};
    settings.malformed = DATASET_SKIP_MALFORMED;
    settings.index = DATASET_INDEX_ONLY;
    struct dataset *d = dataset_open(path, &settings, NULL, &error);
    int code = TOOL_NO;
    if (access(path, R_OK) != 0) {
        code = TOOL_ERROR;
        fprintf(stderr, "stele: %s\n", error.text);
    } else if (d != NULL && dataset_verify(d, &error)) {
        show_figures(dataset_figures(d));
        code = check_trie(d) ? TOOL_OK : TOOL_NO;
    } else {
        fprintf(stderr, "stele: %s\n", error.text);
    }
    return tool_close(d, code);
}

int tool_check(int argc, char *argv[])
{
    const char *path = NULL;
    bool all = false;
    bool index = false;
    bool good = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--all") == 0)
            all = true;
        else if (strcmp(argv[i], "--index") == 0)
            index = true;
        else if (path == NULL && argv[i][0] != '-')
            path = argv[i];
        else
            good = false;
    }
    if (!good || path == NULL || (all && index)) {
        fprintf(stderr, "usage: stele check FILE [--all | --index]\n");
        return TOOL_ERROR;
    }
    return index ? check_index(path) : check_data(path, all);
}
