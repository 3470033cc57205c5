// Every rule is a hash and a table. The table has an entry for each slot, for each remainder, for
// each first digit or digits, or for each point on the circle of ketama.
#include "cluster/partition.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "cluster/md5.h"
#include "data/uuid_text.h"

enum {
    DIGITS_MAX = 2,
    POINTS_PER_SERVER = 160,                  // points of a server with the average weight
    POINTS_PER_DIGEST = 4,                    // an MD5 digest has four numbers
    POINT_NAME_MAX = PARTITION_NAME_MAX + 12, // "NAME-NUMBER" and its NUL
};

enum rule { BY_SLOT, BY_REMAINDER, BY_PREFIX, BY_WEIGHT, BY_POINT };

// A point on the circle of ketama. A key belongs to the first point that is not less than its hash.
struct point {
    uint32_t value;
    uint32_t part;
};

struct partition {
    enum rule rule;
    enum partition_hash hash;
    unsigned parts;
    unsigned digits;      // BY_PREFIX
    uint32_t total;       // number of entries in `owner` or `points`
    uint16_t *owner;      // BY_SLOT, BY_WEIGHT: the part of each slot or remainder
    struct point *points; // BY_POINT: in ascending order
};

static struct partition *new_partition(enum rule rule, unsigned parts, struct error *error)
{
    if (parts == 0 || parts > PARTITION_PARTS_MAX) {
        error_set(error, "the number of parts must be from 1 to %d", PARTITION_PARTS_MAX);
        return NULL;
    }
    struct partition *p = calloc(1, sizeof *p);
    if (p == NULL) {
        error_set(error, "%s", strerror(errno));
        return NULL;
    }
    p->rule = rule;
    p->parts = parts;
    return p;
}

// Does the same, with room for an owner of each of `total` entries.
static struct partition *new_table(enum rule rule, unsigned parts, uint32_t total,
                                   struct error *error)
{
    struct partition *p = new_partition(rule, parts, error);
    if (p == NULL)
        return NULL;
    p->total = total;
    p->owner = calloc(total, sizeof *p->owner);
    if (p->owner != NULL)
        return p;
    error_set(error, "%s", strerror(errno));
    partition_free(p);
    return NULL;
}

void partition_free(struct partition *p)
{
    if (p == NULL)
        return;
    free(p->owner);
    free(p->points);
    free(p);
}

unsigned partition_count(const struct partition *p)
{
    return p->parts;
}

// ---- slots, remainders and prefixes -------------------------------------------------------------

struct partition *partition_by_topology(const struct topology *t, struct error *error)
{
    struct partition *p = new_table(BY_SLOT, t->shard_count, SLOTS, error);
    if (p != NULL)
        memcpy(p->owner, t->owner, sizeof t->owner);
    return p;
}

// Computes with numbers of type float, as redis-cli does, so that the ranges are the same.
struct partition *partition_by_ranges(unsigned parts, struct error *error)
{
    struct partition *p = new_table(BY_SLOT, parts, SLOTS, error);
    float each = SLOTS / (float)parts;
    float cursor = 0;
    long slot = 0;
    if (p == NULL)
        return NULL;
    for (unsigned part = 0; part < parts; part++) {
        long last = (long)((double)(cursor + each - 1) + 0.5); // rounded, as by lround
        if (last >= SLOTS || part == parts - 1)
            last = SLOTS - 1;
        for (; slot <= last; slot++)
            p->owner[slot] = (uint16_t)part;
        cursor += each;
    }
    return p;
}

struct partition *partition_by_remainder(unsigned parts, struct error *error)
{
    return new_partition(BY_REMAINDER, parts, error);
}

struct partition *partition_by_prefix(unsigned digits, struct error *error)
{
    if (digits == 0 || digits > DIGITS_MAX) {
        error_set(error, "the number of digits must be 1 or 2");
        return NULL;
    }
    struct partition *p = new_partition(BY_PREFIX, 1u << (4 * digits), error);
    if (p != NULL)
        p->digits = digits;
    return p;
}

bool partition_next_range(const struct partition *p, unsigned part, unsigned from,
                          struct topology_range *range)
{
    if (p->rule != BY_SLOT)
        return false;
    while (from < SLOTS && p->owner[from] != part)
        from++;
    range->first = from;
    while (from < SLOTS && p->owner[from] == part)
        from++;
    range->last = from - 1;
    return range->first < SLOTS;
}

// ---- servers of twemproxy -----------------------------------------------------------------------

static int compare_names(const void *a, const void *b)
{
    const struct partition_server *x = *(const struct partition_server *const *)a;
    const struct partition_server *y = *(const struct partition_server *const *)b;
    size_t x_len = strlen(x->name);
    size_t y_len = strlen(y->name);
    return x_len != y_len ? (x_len > y_len) - (x_len < y_len) : strcmp(x->name, y->name);
}

// Sets `sorted` to the servers in twemproxy's order, and `*total` to the sum of their weights.
static bool sort_servers(const struct partition_server *servers, unsigned count,
                         const struct partition_server **sorted, uint32_t *total,
                         struct error *error)
{
    *total = 0;
    for (unsigned i = 0; i < count; i++) {
        assert(*servers[i].name != '\0' && servers[i].weight > 0);
        sorted[i] = &servers[i];
        if (servers[i].weight > PARTITION_WEIGHT_MAX - *total) {
            error_set(error, "the weights of the servers add up to more than %d",
                      PARTITION_WEIGHT_MAX);
            return false;
        }
        *total += servers[i].weight;
    }
    qsort(sorted, count, sizeof(const struct partition_server *), compare_names);
    for (unsigned i = 1; i < count; i++)
        if (compare_names(&sorted[i - 1], &sorted[i]) == 0) {
            error_set(error, "two servers have the name '%s'", sorted[i]->name);
            return false;
        }
    return true;
}

static struct partition *new_modula(const struct partition_server *servers,
                                    const struct partition_server *const *sorted, unsigned count,
                                    uint32_t total, struct error *error)
{
    struct partition *p = new_table(BY_WEIGHT, count, total, error);
    uint32_t at = 0;
    if (p == NULL)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < sorted[i]->weight; k++)
            p->owner[at++] = (uint16_t)(sorted[i] - servers);
    return p;
}

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a;
    const struct point *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

// Returns the number of digests that give the server its points. The result is exactly that of
// twemproxy only if it is computed with the same types in the same order.
static unsigned digests_of(const struct partition_server *server, unsigned count, uint32_t total)
{
    float share = (float)server->weight / (float)total;
    double points = (double)(share * POINTS_PER_SERVER / POINTS_PER_DIGEST * (float)count);
    return (unsigned)(float)(points + 0.0000000001);
}

// Adds the points of a server.
static void add_points(struct partition *p, const struct partition_server *server, unsigned part,
                       unsigned digests)
{
    for (unsigned i = 0; i < digests; i++) {
        char name[POINT_NAME_MAX];
        unsigned char digest[MD5_LEN];
        int len = snprintf(name, sizeof name, "%s-%u", server->name, i);
        md5(span_of(name, (size_t)len), digest);
        for (unsigned k = 0; k < POINTS_PER_DIGEST; k++)
            p->points[p->total++] = (struct point){md5_word(digest + 4 * k), part};
    }
}

static struct partition *new_ketama(const struct partition_server *servers,
                                    const struct partition_server *const *sorted, unsigned count,
                                    uint32_t total, struct error *error)
{
    struct partition *p = new_partition(BY_POINT, count, error);
    size_t points = 0;
    if (p == NULL)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        points += (size_t)digests_of(sorted[i], count, total) * POINTS_PER_DIGEST;
    p->points = calloc(points, sizeof *p->points);
    if (p->points == NULL) {
        error_set(error, "%s", strerror(errno));
        partition_free(p);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++)
        add_points(p, sorted[i], (unsigned)(sorted[i] - servers),
                   digests_of(sorted[i], count, total));
    qsort(p->points, p->total, sizeof *p->points, compare_points);
    return p;
}

struct partition *partition_by_servers(enum partition_hash hash,
                                       enum partition_distribution distribution,
                                       const struct partition_server *servers, unsigned count,
                                       struct error *error)
{
    const struct partition_server *sorted[PARTITION_PARTS_MAX];
    struct partition *p;
    uint32_t total;
    if (count == 0 || count > PARTITION_PARTS_MAX) {
        error_set(error, "the number of servers must be from 1 to %d", PARTITION_PARTS_MAX);
        return NULL;
    }
    if (!sort_servers(servers, count, sorted, &total, error))
        return NULL;
    p = distribution == PARTITION_MODULA ? new_modula(servers, sorted, count, total, error)
                                         : new_ketama(servers, sorted, count, total, error);
    if (p != NULL)
        p->hash = hash;
    return p;
}

// ---- keys ---------------------------------------------------------------------------------------

// Returns the part of the first point from `hash` on. After the last point comes the first one.
static unsigned part_at(const struct partition *p, uint32_t hash)
{
    uint32_t low = 0;
    uint32_t high = p->total;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->points[middle].value < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return p->points[low < p->total ? low : 0].part;
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

unsigned partition_of(const struct partition *p, const char *text)
{
    char lower[UUID_TEXT_LEN];
    // Digits and the hyphen have this bit already.
    for (size_t i = 0; i < UUID_TEXT_LEN; i++)
        lower[i] = (char)(text[i] | 0x20);
    struct span key = span_of(lower, sizeof lower);
    switch (p->rule) {
    case BY_SLOT: return p->owner[slot_crc16(key) % SLOTS];
    case BY_REMAINDER: return slot_crc16(key) % p->parts;
    case BY_PREFIX:
        return p->digits == 1 ? digit(lower[0]) : digit(lower[0]) << 4 | digit(lower[1]);
    case BY_WEIGHT: return p->owner[partition_hash(p->hash, key) % p->total];
    case BY_POINT: return part_at(p, partition_hash(p->hash, key));
    }
    assert(false && "unknown rule");
    return 0;
}
