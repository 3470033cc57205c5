// `stele check`: would this file be served, and what is in it?
#include <stdio.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/trie.h"
#include "tool/tool.h"

typedef unsigned long long ull;

int tool_check(int argc, char *argv[])
{
    struct error error = {""};
    struct dataset_report report = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: stele check FILE\n");
        return TOOL_ERROR;
    }
    struct dataset *dataset = dataset_open(argv[1], DATASET_SKIP_MALFORMED, &report, &error);
    if (dataset == NULL) {
        fprintf(stderr, "stele: %s\n", error.text);
        return TOOL_ERROR;
    }
    const struct dataset_figures *f = &report.figures;
    struct trie_shape shape;
    int code = f->malformed > 0 ? TOOL_NO : TOOL_OK;
    for (uint64_t i = 0; i < f->malformed && i < DATASET_MALFORMED_SHOWN; i++)
        printf("%s\n", report.malformed[i]);
    if (f->malformed > DATASET_MALFORMED_SHOWN)
        printf("... and %llu more\n", (ull)(f->malformed - DATASET_MALFORMED_SHOWN));
    printf("bytes      %llu\n", (ull)f->data_bytes);
    printf("lines      %llu\n", (ull)f->lines);
    printf("malformed  %llu\n", (ull)f->malformed);
    printf("keys       %llu\n", (ull)f->keys);
    printf("duplicates %llu\n", (ull)f->duplicates);
    printf("values     %llu bytes\n", (ull)f->value_bytes);
    printf("index      %llu bytes, %.2f a key, built in %.3f s\n", (ull)f->index_bytes,
           f->keys > 0 ? (double)f->index_bytes / (double)f->keys : 0.0, (double)f->build_ns / 1e9);
    if (trie_check(dataset_trie(dataset), &shape, &error)) {
        printf("trie       %llu nodes, depth %u, largest leaf %llu\n", (ull)shape.nodes,
               shape.depth, (ull)shape.leaf_max);
    } else {
        fprintf(stderr, "stele: the index built is wrong: %s\n", error.text);
        code = TOOL_ERROR;
    }
    dataset_close(dataset);
    return code;
}
