// `stele check` checks whether a server would accept a data file or an index file, and prints what
// is in it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/lines.h"
#include "data/trie.h"
#include "tool/data_stats.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum {
    // Without --all, at most this many malformed lines are printed, and at most this many lines
    // that a later line with the same key replaces.
    SHOWN = 10,
    MESSAGE_MAX = 512,          // bytes of a message, with its NUL
    LINES_PER_REPORT = 1 << 12, // lines between two reports of progress
};

// What reading the lines once more has found out, beside the figures of the dataset.
struct lines_found {
    struct data_stats *stats; // of the served lines
    ull malformed;
    ull replaced;
    ull returns; // number of values that end in a carriage return, including those not served
};

// Prints a malformed line, unless there were many of them before.
static void show_malformed(struct lines_found *found, const struct line_error *fault,
                           const char *path, bool all)
{
    char message[MESSAGE_MAX];
    if (all || found->malformed < SHOWN) {
        line_error_format(fault, path, message, sizeof message);
        tool_step_hide();
        printf("%s\n", message);
    }
    found->malformed++;
}

// Prints a line that a later one replaces, unless there were many of them before.
static void show_replaced(struct lines_found *found, const struct record *record, const char *path,
                          bool all)
{
    if (all || found->replaced < SHOWN) {
        tool_step_hide();
        printf("%s:%llu: byte %llu: replaced by a later line of the same key\n", tool_name(path),
               (ull)record->line, (ull)record->offset);
    }
    found->replaced++;
}

// Reads the lines once more, because only now the last record of each key is known. Prints the
// lines that are not served, and counts the others. Also counts values that end in a carriage
// return, because all values do when the lines end in CRLF.
static void read_lines_again(const struct dataset *d, const char *path, bool all,
                             struct lines_found *found)
{
    struct span text = dataset_text(d);
    bool any_replaced = dataset_figures(d)->duplicates > 0;
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    tool_step("reading", path, true);
    lines_init(&reader, text);
    for (unsigned i = 0; (result = lines_next(&reader, &record, &fault)) != LINE_END; i++) {
        uint64_t served;
        if (i % LINES_PER_REPORT == 0)
            tool_step_at(reader.offset, text.len);
        if (result == LINE_MALFORMED) {
            show_malformed(found, &fault, path, all);
            continue;
        }
        if (record.value.len > 0 && record.value.ptr[record.value.len - 1] == '\r')
            found->returns++;
        if (any_replaced && trie_find(dataset_trie(d), record.id, &served) &&
            served != record.offset)
            show_replaced(found, &record, path, all);
        else
            data_stats_add(found->stats, record.id, record.value.len);
    }
    tool_step_hide();
}

// Prints how many lines were left out, and whether lines may end in CRLF.
static void show_rest(const struct dataset *d, const char *path, bool all,
                      const struct lines_found *found)
{
    if (!all && found->malformed > SHOWN)
        printf("(%llu more malformed lines; --all prints them)\n", found->malformed - SHOWN);
    if (!all && found->replaced > SHOWN)
        printf("(%llu more replaced lines; --all prints them)\n", found->replaced - SHOWN);
    if (found->returns > 0)
        printf("%s: %llu of %llu values end in a carriage return, which is part of the value (do "
               "lines end in CRLF?)\n",
               tool_name(path), found->returns, (ull)dataset_figures(d)->lines - found->malformed);
}

// Prints the key of this rank, if there is one.
static void show_key(const struct dataset *d, const char *name, uint64_t rank)
{
    char text[UUID_TEXT_LEN];
    struct uuid id;
    if (!dataset_at(d, rank, &id, NULL))
        return;
    uuid_format(id, text);
    printf("%-10s %.*s\n", name, UUID_TEXT_LEN, text);
}

// Prints what one looks at before data is published.
static void show_content(const struct dataset *d, const struct lines_found *found)
{
    const struct lengths *l = &found->stats->lengths;
    struct data_bar kinds[DATA_BARS_MAX];
    unsigned count = data_stats_kind_bars(found->stats, kinds);
    if (l->count > 0) {
        printf("empty      %llu\n", (ull)l->counts[0]);
        printf("smallest   %llu bytes\n", (ull)l->smallest);
        printf("50 %%       at most %llu bytes\n", (ull)lengths_percentile(l, 50));
        printf("99 %%       at most %llu bytes\n", (ull)lengths_percentile(l, 99));
        printf("largest    %llu bytes\n", (ull)l->largest);
        printf("kinds      ");
        for (unsigned i = 0; i < count; i++)
            printf("%s%s: %llu", i > 0 ? ", " : "", kinds[i].label, (ull)kinds[i].count);
        printf("\n");
        show_key(d, "first key", 0);
        show_key(d, "last key", dataset_figures(d)->keys - 1);
    }
    printf("CR         at the end of %llu values\n", found->returns);
    if (dataset_figures(d)->data_bytes > 0)
        printf("last line  %s\n",
               dataset_last_line_is_unterminated(d) ? "has no newline" : "ends in a newline");
}

// Verifies the index and prints its figures. Returns false after printing what is wrong.
static bool check_trie(const struct dataset *d, const char *path)
{
    struct trie_shape shape;
    struct error error;
    tool_step("verifying", path, false);
    bool good = trie_check_with_progress(dataset_trie(d), &shape, tool_on_progress, NULL, &error);
    tool_step_hide();
    if (!good) {
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

// Returns `code`, or TOOL_NO instead of TOOL_OK when --strict is given and the last line
// has no newline.
static int with_strictness(const struct options *o, const struct dataset *d, int code)
{
    return o->strict && code == TOOL_OK && dataset_last_line_is_unterminated(d) ? TOOL_NO : code;
}

static int check_data(const struct options *o)
{
    struct dataset_settings settings = o->settings;
    settings.malformed = DATASET_SKIP_MALFORMED;
    settings.index = DATASET_INDEX_NONE;
    struct dataset *d = tool_open(o->file, &settings);
    if (d == NULL)
        return TOOL_ERROR;
    const struct dataset_figures *f = dataset_figures(d);
    struct lines_found found = {.stats = calloc(1, sizeof *found.stats)};
    int code = f->malformed > 0 ? TOOL_NO : TOOL_OK;
    if (found.stats == NULL) {
        tool_say("%s", strerror(ENOMEM));
        return tool_close(d, TOOL_ERROR);
    }
    read_lines_again(d, o->file, o->all, &found);
    show_rest(d, o->file, o->all, &found);
    show_figures(f);
    if (check_trie(d, o->file))
        show_content(d, &found);
    else
        code = TOOL_ERROR;
    free(found.stats);
    return tool_close(d, with_strictness(o, d, code));
}

static int check_index(const struct options *o)
{
    struct dataset_settings settings = o->settings;
    const char *path = o->file;
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
        code = with_strictness(o, d, check_trie(d, path) ? TOOL_OK : TOOL_NO);
    } else {
        fprintf(stderr, "stele: %s\n", error.text);
    }
    return tool_close(d, code);
}

static int check(const struct options *o)
{
    if (o->all && o->check_index) {
        fprintf(stderr, "stele: --all and --index exclude each other\n");
        return TOOL_ERROR;
    }
    return o->check_index ? check_index(o) : check_data(o);
}

static const char *set_all(struct options *o, const char *value)
{
    (void)value;
    o->all = true;
    return NULL;
}

static const char *set_strict(struct options *o, const char *value)
{
    (void)value;
    o->strict = true;
    return NULL;
}

static const char *set_check_index(struct options *o, const char *value)
{
    (void)value;
    o->check_index = true;
    return NULL;
}

static const struct option_row rows[] = {
    {"--all", NULL, "report all malformed and all replaced lines, not only ten of each", set_all},
    {"--index", NULL,
     "check instead that the index file FILE.idx is sound and belongs to this data",
     set_check_index},
    {"--strict", NULL,
     "also exit with status 1 if the last line has no newline: the file may have been cut",
     set_strict},
    TOOL_HELP_ROW,
};

const struct tool_command tool_check = {
    .name = "check",
    .words = "FILE [--all | --index] [--strict]",
    .help = "check every line, and report those that are malformed or replaced by a later line "
            "with the same key; with --index, check the index file instead",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = check,
    .example = "stele check devices.data --strict",
};
