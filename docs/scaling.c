// Writes the tables of the plan into docs/scaling.md: copies standard input to standard output,
// with the text between `<!-- NAME: written by make docs -->` and `<!-- NAME: end -->` made anew.
// `make docs` runs it, and `make check-docs` compares. The arithmetic is that of
// tests/support/cluster_plan.c.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cluster_plan.h"

#define BEGIN_MARK ": written by make docs -->\n"
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { TEXT = 32 };

static const uint64_t all_keys[] = {UINT64_C(1000000000), UINT64_C(10000000000),
                                    UINT64_C(100000000000)};
static const char *const keys_text[] = {"10⁹", "10¹⁰", "10¹¹"};
static const unsigned all_lines[] = {48, 88, 200};
static const unsigned all_gib[] = {64, 256, 768};

static struct plan_load load_of(unsigned keys, unsigned line, unsigned gib, bool all_in_memory)
{
    return (struct plan_load){all_keys[keys], all_lines[line], (uint64_t)all_gib[gib] << 30,
                              all_in_memory};
}

// ---- numbers ------------------------------------------------------------------------------------

// Writes a number with two digits at least, and none after the point from 10 on.
static const char *rounded(double value, const char *unit, char *text)
{
    snprintf(text, TEXT, "%.*f%s", value < 9.95 ? 1 : 0, value, unit);
    return text;
}

static const char *bytes(double value, char *text)
{
    return value < 999.5e9 ? rounded(value / 1e9, " GB", text) : rounded(value / 1e12, " TB", text);
}

static const char *duration(double seconds, char *text)
{
    if (seconds == 0)
        return "–";
    if (seconds < 99.5)
        return rounded(seconds, " s", text);
    return seconds < 99.5 * 60 ? rounded(seconds / 60, " min", text)
                               : rounded(seconds / 3600, " h", text);
}

// ---- the tables ---------------------------------------------------------------------------------

static void print_assumptions(void)
{
    printf("| assumed | value | where it comes from |\n|---|---|---|\n");
    printf("| nodes of each shard | %d | a choice: one may fail |\n", PLAN_REPLICAS);
    printf("| memory kept for the system, the server itself and clients | %d %% | a choice |\n",
           PLAN_SPARE_PERCENT);
    printf("| index | 5 or 6 bytes a key, by the size of the part, and %.1f bytes a key at most | "
           "[sizing](operations.md#sizing) |\n",
           PLAN_NODE_HUNDREDTHS / 100.0);
    printf("| `stele split --by slots` | %d MB/s | [measured](#how-long-it-takes) on one core |\n",
           PLAN_SPLIT_MB);
    printf(
        "| bandwidth that a copy gets | %d %% of the network's | a choice; the disks keep up |\n",
        PLAN_LINK_PERCENT);
    printf("| `stele index` | %.0f million keys a second | [measured]"
           "(benchmarks.md#a-billion-keys) on two cores, with a temporary file |\n",
           PLAN_INDEX_KEYS / 1e6);
    printf("| memory of an index build (`--build-memory`) | %d %% of the machine's | a choice: old "
           "and "
           "new version have the rest |\n",
           PLAN_BUILD_PERCENT);
    printf("| temporary file of an index build that needs more | %d bytes a line | "
           "[limits](limits.md#how-much-data-it-can-handle) |\n",
           PLAN_TEMPORARY_BYTES);
    printf(
        "| a reload | %d s, and the index at %.0f GB/s | the longest time for which it [reads the "
        "data](operations.md#reload); the index is locked |\n",
        PLAN_WARM_SECONDS, PLAN_LOCK_MB / 1e3);
    printf("| processor time of a request, and of each of its keys | %.1f µs, %.2f µs | "
           "[measured](limits.md#how-long-a-client-waits), all in memory |\n",
           PLAN_REQUEST_NS / 1e3, PLAN_KEY_NS / 1e3);
}

static void print_machines(void)
{
    printf("| keys | bytes a line | data | index in memory: 64 GiB | 256 GiB | 768 GiB | "
           "all in memory: 64 GiB | 256 GiB | 768 GiB |\n"
           "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (unsigned k = 0; k < COUNT(all_keys); k++)
        for (unsigned l = 0; l < COUNT(all_lines); l++) {
            char text[TEXT];
            printf("| %s | %u | %s |", keys_text[k], all_lines[l],
                   bytes((double)all_keys[k] * all_lines[l], text));
            for (unsigned i = 0; i < 2 * COUNT(all_gib); i++) {
                struct plan_load load = load_of(k, l, i % COUNT(all_gib), i >= COUNT(all_gib));
                struct plan plan;
                if (plan_make(&load, &plan))
                    printf(" %u (%u) |", plan.machines * PLAN_REPLICAS, plan.shards);
                else
                    printf(" – |");
            }
            printf("\n");
        }
}

static void print_plan_row(unsigned keys, unsigned gib, bool all_in_memory)
{
    double share[PARTITION_PARTS_MAX];
    char data[TEXT];
    char index[TEXT];
    char disk[TEXT];
    char asked_text[TEXT];
    char time[TEXT];
    struct plan_load load = load_of(keys, 1, gib, all_in_memory);
    struct plan plan;
    printf("| %s | %s | %u GiB |", keys_text[keys], all_in_memory ? "all" : "index", all_gib[gib]);
    if (!plan_make(&load, &plan)) {
        printf(" – | – | – | – | – | – | – | – |\n");
        return;
    }
    plan_shares(plan.shards, share);
    double asked = plan_parts_asked(share, plan.shards, 100);
    struct plan_publishing p = plan_publish(&load, &plan, 25);
    printf(" %u | %u | %s | %s | %s | %s | %.0f µs | %s |\n", plan.machines * PLAN_REPLICAS,
           plan.shards, bytes(plan.data_bytes, data), bytes(plan.index_bytes, index),
           bytes(plan.disk_bytes, disk), rounded(asked, "", asked_text),
           plan_request_seconds(asked, 100) * 1e6,
           duration(p.split + p.copy + p.index + p.reload, time));
}

static void print_plan(void)
{
    printf("| keys | in memory | machine | machines | shards | data on a machine | index | disk | "
           "MGET of 100 keys: shards asked | processor time | published in |\n"
           "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (unsigned k = 0; k < COUNT(all_keys); k++)
        for (unsigned all = 0; all < 2; all++)
            for (unsigned g = 0; g < COUNT(all_gib); g++)
                print_plan_row(k, g, all > 0);
}

static void print_requests(void)
{
    static const unsigned shards[] = {1, 2, 3, 5, 10, 16, 32, 64, 128, 256, 500};
    double share[PARTITION_PARTS_MAX];
    printf("| shards | largest part / mean | MGET of 10 keys: shards asked | of 100 | of 1000 | "
           "processor time, 100 keys | one request for each slot, not pipelined | "
           "meets the slowest 1 %% of a shard |\n"
           "|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (unsigned i = 0; i < COUNT(shards); i++) {
        double largest = plan_shares(shards[i], share);
        double asked = plan_parts_asked(share, shards[i], 100);
        printf("| %u | %.3f | %.1f | %.1f | %.0f | %.0f µs | %.0f µs | %.0f %% |\n", shards[i],
               largest, plan_parts_asked(share, shards[i], 10), asked,
               plan_parts_asked(share, shards[i], 1000), plan_request_seconds(asked, 100) * 1e6,
               plan_request_seconds(plan_slots_asked(100), 100) * 1e6,
               100 * plan_meets_slow(share, shards[i], 100));
    }
}

static void print_publishing(void)
{
    static const unsigned gigabits[] = {10, 25};
    printf("| keys | bytes a line | data | split | copy, 10 Gbit/s | 25 Gbit/s | index | two "
           "reloads | "
           "in all, 10 Gbit/s | 25 Gbit/s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (unsigned k = 0; k < COUNT(all_keys); k++)
        for (unsigned l = 0; l < COUNT(all_lines); l++) {
            char text[6][TEXT];
            char total[COUNT(gigabits)][TEXT];
            char copy[COUNT(gigabits)][TEXT];
            struct plan_load load = load_of(k, l, 1, true);
            struct plan_publishing p = {0};
            struct plan plan;
            if (!plan_make(&load, &plan))
                continue;
            for (unsigned i = 0; i < COUNT(gigabits); i++) {
                p = plan_publish(&load, &plan, gigabits[i]);
                duration(p.copy, copy[i]);
                duration(p.split + p.copy + p.index + p.reload, total[i]);
            }
            printf("| %s | %u | %s | %s | %s | %s | %s | %s | %s | %s |\n", keys_text[k],
                   all_lines[l], bytes((double)all_keys[k] * all_lines[l], text[0]),
                   duration(p.split, text[1]), copy[0], copy[1], duration(p.index, text[2]),
                   duration(p.reload, text[3]), total[0], total[1]);
        }
}

// ---- the picture --------------------------------------------------------------------------------

// Bars as in docs/benchmarks/, over a linear axis that begins at 0.
enum { LEFT = 190, TOP = 62, ROW = 22, BAR = 14, PIXELS_PER_REQUEST = 5, KEYS = 100, STEP = 20 };

static void print_bar(unsigned row, const char *label, const char *colour, double requests)
{
    unsigned y = TOP + row * ROW;
    double width = requests * PIXELS_PER_REQUEST;
    printf("<text x=\"%d\" y=\"%u\" text-anchor=\"end\">%s</text>"
           "<rect x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"
           "<text x=\"%.1f\" y=\"%u\" font-weight=\"bold\">%.1f</text>\n",
           LEFT - 10, y + ROW / 2 + 5, label, LEFT, y + (ROW - BAR) / 2, width, BAR, colour,
           LEFT + width + 7, y + ROW / 2 + 5, requests);
}

static void print_picture(void)
{
    static const unsigned shards[] = {1, 3, 10, 32, 100, 500};
    double share[PARTITION_PARTS_MAX];
    unsigned bottom = TOP + ((unsigned)COUNT(shards) + 1) * ROW;
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-8 0 776 %u\" width=\"776\" "
           "height=\"%u\" font-family=\"sans-serif\" font-size=\"14\" fill=\"#757d86\" "
           "role=\"img\">\n"
           "<title>Requests for one MGET of %d keys</title>\n"
           "<text x=\"0\" y=\"24\" font-size=\"17\" font-weight=\"bold\">Requests for one MGET of "
           "%d keys</text>\n"
           "<text x=\"0\" y=\"46\">On average, with random keys. Less is better.</text>\n",
           bottom + 40, bottom + 40, KEYS, KEYS);
    for (unsigned i = 0; i <= KEYS; i += STEP)
        printf("<path d=\"M%u %dV%u\" stroke=\"#757d86\" stroke-opacity=\"%s\"/>"
               "<text x=\"%u\" y=\"%u\" text-anchor=\"middle\" font-size=\"12\">%u</text>\n",
               LEFT + i * PIXELS_PER_REQUEST, TOP, bottom, i > 0 ? "0.3" : "1",
               LEFT + i * PIXELS_PER_REQUEST, bottom + 18, i);
    for (unsigned i = 0; i < COUNT(shards); i++) {
        char label[TEXT];
        snprintf(label, sizeof label, "%u shard%s", shards[i], shards[i] > 1 ? "s" : "");
        plan_shares(shards[i], share);
        print_bar(i, label, "#2f81f7", plan_parts_asked(share, shards[i], KEYS));
    }
    print_bar(COUNT(shards), "one for each slot", "#e5484d", plan_slots_asked(KEYS));
    printf("</svg>\n");
}

// ---- the page -----------------------------------------------------------------------------------

static const struct {
    const char *name;
    void (*print)(void);
} tables[] = {
    {"assumptions", print_assumptions}, {"machines", print_machines},     {"plan", print_plan},
    {"requests", print_requests},       {"publishing", print_publishing},
};

// Returns the number of the table that begins after this line, or the number of tables.
static unsigned table_of(const char *line)
{
    for (unsigned i = 0; i < COUNT(tables); i++) {
        size_t len = strlen(tables[i].name);
        if (strncmp(line, "<!-- ", 5) == 0 && strncmp(line + 5, tables[i].name, len) == 0 &&
            strcmp(line + 5 + len, BEGIN_MARK) == 0)
            return i;
    }
    return COUNT(tables);
}

static int write_page(void)
{
    char *line = NULL;
    size_t room = 0;
    unsigned found = 0;
    bool in_table = false;
    while (getline(&line, &room, stdin) >= 0) {
        unsigned table = table_of(line);
        if (in_table && strstr(line, ": end -->") != NULL) {
            in_table = false;
            printf("\n");
        }
        if (!in_table)
            fputs(line, stdout);
        if (table == COUNT(tables))
            continue;
        in_table = true;
        found |= 1u << table;
        printf("\n");
        tables[table].print();
    }
    free(line);
    if (found != (1u << COUNT(tables)) - 1 || in_table) {
        fputs("docs/scaling: the page does not have the marks of all tables\n", stderr);
        return EXIT_FAILURE;
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
    if (argc != 2 || strcmp(argv[1], "--picture") != 0)
        return write_page();
    print_picture();
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
