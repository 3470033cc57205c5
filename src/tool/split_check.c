// Computes the part of each key of a file, and compares it with the shard of the node.
#include "tool/split_check.h"

#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cluster/partition.h"
#include "tool/read_lines.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum { SHOWN = 10 }; // foreign keys that are printed

struct checking {
    const char *path;
    const struct topology *topology;
    const struct partition *partition;
    unsigned shard; // shard of the node
    uint64_t foreign;
};

static bool check_line(void *context, const struct record *record, struct span line,
                       struct error *error)
{
    struct checking *c = context;
    (void)error;
    unsigned shard = partition_of(c->partition, line.ptr);
    if (shard == c->shard)
        return true;
    if (c->foreign++ < SHOWN) {
        tool_step_hide();
        printf("%s:%llu: %.*s belongs to the shard of node %s\n", tool_name(c->path),
               (ull)record->line, UUID_TEXT_LEN, line.ptr,
               c->topology->nodes[c->topology->shards[shard].first_node].name);
    }
    return true;
}

// Reads the file. `c` has everything but the partition.
static bool check_file(struct checking *c, struct line_reading *reading, struct error *error)
{
    struct stat status;
    struct partition *p = partition_by_topology(c->topology, error);
    int fd = p != NULL ? file_open(c->path, &status, error) : -1;
    bool good = false;
    if (fd >= 0) {
        c->partition = p;
        good = read_lines(reading, fd, c->path, "checking", error);
        close(fd);
    }
    partition_free(p);
    return good;
}

int split_check(const struct options *o)
{
    struct error error = {""};
    struct topology *t = topology_read(o->split.cluster, &error);
    if (t == NULL) {
        tool_say("%s", error.text);
        return TOOL_ERROR;
    }
    int code = TOOL_ERROR;
    unsigned node = topology_find(t, span_text(o->split.node));
    struct checking c = {.path = o->file, .topology = t};
    struct line_reading reading = {.take = check_line, .context = &c};
    if (node == t->node_count) {
        tool_say("%s has no node '%s'", o->split.cluster, o->split.node);
    } else {
        c.shard = t->nodes[node].shard;
        if (check_file(&c, &reading, &error)) {
            printf("lines   %llu\nforeign %llu\n", (ull)reading.lines, (ull)c.foreign);
            code = tool_finish(c.foreign > 0 ? TOOL_NO : TOOL_OK);
        } else {
            tool_say("%s", error.text);
        }
    }
    topology_close(t);
    return code;
}
