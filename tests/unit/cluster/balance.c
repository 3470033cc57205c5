// Simulates how keys spread over the parts of a divided file, and how many parts an MGET of random
// keys asks. The results must be those of tests/support/cluster_plan.c, from which docs/scaling.md
// has its tables.
//
// `balance 40M` draws 40 million keys instead of 50,000. The simulated tables are in the output,
// for docs/scaling.md.
//
// A bound is eight standard deviations of chance away from what is expected. So a run fails by
// chance less than once in a million times.
#include <stdio.h>

#include "base/error.h"
#include "cluster/partition.h"
#include "data/trie.h"
#include "data/uuid_text.h"
#include "support/cluster_plan.h"
#include "support/count.h"
#include "support/keysets.h"
#include "support/memory.h"
#include "support/tap.h"

enum {
    KEYS = CHECKED_BUILD ? 20000 : 50000,
    KEYS_OF_A_TRIAL = 500, // an MGET is drawn once for so many keys of a run
    MGET_MAX = 1000,
};

static const unsigned sizes[] = {3, 16, 64, 256, 1000}; // numbers of parts
static const unsigned mgets[] = {10, 100, MGET_MAX};    // keys of an MGET

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint64_t keys = KEYS;
static uint64_t seed;
static double shares[PARTITION_PARTS_MAX];

// Whether `got` is not farther from `expected` than chance explains. `variance` is that of `got`.
static bool is_near(double got, double expected, double variance)
{
    double off = got < expected ? expected - got : got - expected;
    return off * off <= 64 * variance;
}

// ---- the balance --------------------------------------------------------------------------------

// A way to divide keys.
struct rule {
    const char *name;
    struct partition *(*make)(unsigned parts, struct error *error); // NULL: twemproxy
    enum partition_hash hash;
    enum partition_distribution distribution;
    double values; // number of values of the hash
};

static struct partition *of_one_digit(unsigned parts, struct error *error)
{
    return parts == 16 ? partition_by_prefix(1, error) : NULL;
}

static struct partition *of_two_digits(unsigned parts, struct error *error)
{
    return parts == 256 ? partition_by_prefix(2, error) : NULL;
}

static const struct rule slots_rule = {"slots", partition_by_ranges, .values = SLOTS};
static const struct rule other_rules[] = {
    {"predixy", partition_by_remainder, .values = 1 << 16},
    {"one digit", of_one_digit, .values = 1 << 16},
    {"two digits", of_two_digits, .values = 1 << 16},
};

static struct partition *make(const struct rule *rule, unsigned parts)
{
    static struct partition_server servers[PARTITION_PARTS_MAX];
    struct error error = {""};
    struct partition *p;
    if (rule->make != NULL)
        return rule->make(parts, &error);
    for (unsigned i = 0; i < parts; i++) {
        snprintf(servers[i].name, sizeof servers[i].name, "server%u", i + 1);
        servers[i].weight = 1;
    }
    p = partition_by_servers(rule->hash, rule->distribution, servers, parts, &error);
    require(p != NULL, "%s", error.text);
    return p;
}

// Counts how many of the keys each part has. Returns the number of keys of the largest one.
static uint64_t count_keys(const struct partition *p, const struct keyset *set, uint64_t *counts)
{
    struct random r = {seed};
    uint64_t most = 0;
    memset(counts, 0, partition_count(p) * sizeof *counts);
    for (uint64_t i = 0; i < keys; i++) {
        char text[UUID_TEXT_LEN];
        uuid_format(set->key(&r, i, keys), text);
        uint64_t count = ++counts[partition_of(p, text)];
        most = count > most ? count : most;
    }
    return most;
}

// Whether each part has the share of the keys that it should have. Each value of the hash is
// equally probable, and its parts have equally many values, or one more.
static bool is_balanced(const struct rule *rule, unsigned parts, const uint64_t *counts)
{
    uint64_t values = (uint64_t)rule->values;
    double least = (double)keys * (double)(values / parts) / rule->values;
    double most = (double)keys * (double)((values + parts - 1) / parts) / rule->values;
    bool good = true;
    if (rule == &slots_rule)
        plan_shares(parts, shares);
    for (unsigned i = 0; i < parts; i++) {
        double count = (double)counts[i];
        double expected = rule == &slots_rule ? (double)keys * shares[i]
                          : count < least     ? least
                          : count > most      ? most
                                              : count;
        good = good && is_near(count, expected, expected);
    }
    return good;
}

// Simulates a rule with all numbers of parts, and adds a row to the table.
static void simulate(const struct rule *rule, const char *name)
{
    static uint64_t counts[PARTITION_PARTS_MAX];
    struct buf row = {0};
    for (unsigned i = 0; i < COUNT(sizes); i++) {
        unsigned parts = sizes[i];
        struct partition *p = make(rule, parts);
        if (p == NULL) {
            buf_append_text(&row, " |");
            continue;
        }
        double mean = (double)keys / parts;
        double largest = (double)count_keys(p, &keysets[0], counts);
        buf_printf(&row, " %.2f |", largest / mean);
        if (rule->make != NULL || rule->distribution == PARTITION_MODULA)
            ok(is_balanced(rule, parts, counts), "%s: each of %u parts has its share", name, parts);
        // The values of this hash are less than 2^15, and ketama's points less than 2^32.
        else if (rule->hash == PARTITION_CRC32)
            ok(largest >= 0.3 * (double)keys, "%s: few of %u parts have all keys", name, parts);
        else
            ok(largest <= 1.5 * mean || is_near(largest, 1.5 * mean, 1.5 * mean),
               "%s: no part of %u is larger than 1.5 × the mean", name, parts);
        partition_free(p);
    }
    diag("| %s |%.*s", name, (int)row.len, row.ptr);
    buf_release(&row);
}

static void balance(void)
{
    char name[64];
    diag("largest part / mean, %llu keys", (unsigned long long)keys);
    diag("| rule | 3 parts | 16 | 64 | 256 | 1000 |");
    simulate(&slots_rule, slots_rule.name);
    for (unsigned i = 0; i < COUNT(other_rules); i++)
        simulate(&other_rules[i], other_rules[i].name);
    for (unsigned h = 0; h < PARTITION_HASHES; h++)
        for (unsigned d = 0; d < 2; d++) {
            struct rule rule = {.hash = (enum partition_hash)h,
                                .distribution = d == 0 ? PARTITION_MODULA : PARTITION_KETAMA};
            // This hash of twemproxy has 15 bits.
            rule.values = rule.hash == PARTITION_CRC32 ? 1 << 15 : 4294967296.0;
            snprintf(name, sizeof name, "%s, %s", partition_hash_name(rule.hash),
                     d == 0 ? "modula" : "ketama");
            simulate(&rule, name);
        }
}

// Keys that are not random: slots divide them as well, first digits do not.
static void other_keys(void)
{
    static const char *const names[] = {"sequential", "v7, one per 5 s", "v7, all within 3 ms"};
    static uint64_t counts[PARTITION_PARTS_MAX];
    struct partition *slots = make(&slots_rule, 16);
    struct partition *digit = make(&other_rules[1], 16);
    for (unsigned i = 0; i < keyset_count; i++)
        for (unsigned k = 0; k < COUNT(names); k++) {
            if (strcmp(keysets[i].name, names[k]) != 0)
                continue;
            double largest = (double)count_keys(slots, &keysets[i], counts) * 16 / (double)keys;
            ok(is_balanced(&slots_rule, 16, counts), "%s: slots, each of 16 parts has its share",
               names[k]);
            is_number((int64_t)count_keys(digit, &keysets[i], counts), (int64_t)keys,
                      "%s: one digit, all keys are in one part", names[k]);
            diag("| %s | slots: %.2f | one digit: 16 |", names[k], largest);
        }
    partition_free(slots);
    partition_free(digit);
}

// ---- the requests of an MGET --------------------------------------------------------------------

// For each number of keys of an MGET, how many parts were asked in all trials together.
struct asked {
    const struct partition *partition; // NULL: slots instead of parts
    unsigned parts;
    uint64_t sum[COUNT(mgets)];
    uint64_t last_trial[SLOTS]; // when this part was asked
};

// Asks for MGET_MAX random keys.
static void draw(struct asked *a, struct random r, uint64_t trial)
{
    unsigned parts = 0;
    for (unsigned i = 0, next = 0; i < MGET_MAX; i++) {
        char text[UUID_TEXT_LEN];
        struct uuid id = keysets[0].key(&r, 0, 0);
        uuid_format(id, text);
        unsigned part = a->partition != NULL ? partition_of(a->partition, text) : slot_of_uuid(id);
        parts += a->last_trial[part] != trial;
        a->last_trial[part] = trial;
        if (i + 1 == mgets[next])
            a->sum[next++] += parts;
    }
}

// Compares the parts asked with the formula. If parts are asked independently, the variance of
// their number is as computed here. Really it is smaller.
static void compare(const struct asked *a, uint64_t trials, struct buf *row)
{
    for (unsigned i = 0; i < COUNT(mgets); i++) {
        double expected = a->partition != NULL ? plan_parts_asked(shares, a->parts, mgets[i])
                                               : plan_slots_asked(mgets[i]);
        double mean = (double)a->sum[i] / (double)trials;
        double variance = 0;
        for (unsigned part = 0; part < a->parts; part++) {
            double share = a->partition != NULL ? shares[part] : 1.0 / SLOTS;
            double asked = plan_parts_asked(&share, 1, mgets[i]);
            variance += asked * (1 - asked);
        }
        // A part that is nearly always asked may be left out in three trials.
        double spare = 3 / (double)trials;
        ok(is_near(mean, expected, variance / (double)trials) ||
               (mean >= expected - spare && mean <= expected + spare),
           "an MGET of %u keys over %u %s asks %.2f of them, and %.2f were expected", mgets[i],
           a->parts, a->partition != NULL ? "parts" : "slots", mean, expected);
        buf_printf(row, " %.2f (%.2f) |", mean, expected);
    }
}

static void requests(void)
{
    uint64_t trials = keys / KEYS_OF_A_TRIAL;
    diag("an MGET: one request for each slot or part; mean of %llu, and the formula",
         (unsigned long long)trials);
    diag("| requests for each | 10 keys | 100 | 1000 |");
    for (unsigned i = 0; i <= COUNT(sizes); i++) {
        static struct asked a;
        struct buf row = {0};
        struct partition *p = i > 0 ? make(&slots_rule, sizes[i - 1]) : NULL;
        a = (struct asked){.partition = p, .parts = p != NULL ? sizes[i - 1] : SLOTS};
        if (p != NULL)
            plan_shares(a.parts, shares);
        for (uint64_t trial = 1; trial <= trials; trial++)
            draw(&a, (struct random){seed + trial * MGET_MAX}, trial);
        compare(&a, trials, &row);
        diag("| %s of %u |%.*s", p != NULL ? "part" : "slot", a.parts, (int)row.len, row.ptr);
        buf_release(&row);
        partition_free(p);
    }
}

// ---- the topology and the plan ------------------------------------------------------------------

// Clients and nodes read slots and topology. They must find the part that the file was divided
// into.
static void topology(unsigned parts)
{
    struct error error = {""};
    struct buf text = {0};
    struct topology_range range;
    struct partition *p = make(&slots_rule, parts);
    struct random r = {seed};
    unsigned wrong = 0;
    unsigned uneven = 0;
    buf_append_text(&text, "epoch 1\n");
    for (unsigned part = 0; part < parts; part++) {
        require(partition_next_range(p, part, 0, &range), "part %u has slots", part);
        buf_printf(&text, "shard %u-%u\nnode n%u 10.0.%u.%u:7001\n", range.first, range.last, part,
                   part / 250, part % 250 + 1);
    }
    struct topology *t = topology_parse(buf_span(&text), "topology", &error);
    require(t != NULL, "%s", error.text);
    for (unsigned i = 0; i < 10000; i++) {
        char key[UUID_TEXT_LEN];
        struct uuid id = keysets[0].key(&r, 0, 0);
        uuid_format(id, key);
        wrong += t->owner[slot_of_uuid(id)] != partition_of(p, key);
    }
    plan_shares(parts, shares);
    for (unsigned part = 0; part < parts; part++) {
        double slots = shares[part] * SLOTS;
        uneven += slots < SLOTS / parts || slots > (SLOTS + parts - 1) / parts;
    }
    is_number(uneven, 0, "%u shards: no shard has more than one slot more than another", parts);
    is_number(wrong, 0, "%u shards: the part of a key is that of the shard that owns its slot",
              parts);
    topology_close(t);
    partition_free(p);
    buf_release(&text);
}

// Each plan fits, and with one machine less it would not.
static void plans(void)
{
    static const uint64_t counts[] = {1000000, 1000000000, 10000000000, 100000000000};
    unsigned made = 0;
    for (unsigned i = 0; i < COUNT(counts) * 3 * 2; i++) {
        static const unsigned gib[] = {64, 256, 768};
        struct plan_load load = {counts[i / 6], 88, (uint64_t)gib[i % 3] << 30, i / 3 % 2 > 0};
        struct plan plan;
        double memory = (double)load.memory * 0.9;
        if (!plan_make(&load, &plan))
            continue;
        made++;
        double needed =
            load.all_in_memory ? 2 * (plan.data_bytes + plan.index_bytes) : 4 * plan.index_bytes;
        double with_one_less = needed * plan.machines / (plan.machines - 1.0);
        bool full = plan.machines == 1 || with_one_less > memory * 0.97;
        ok(needed <= memory && full,
           "%llu keys on %u machines of %u GiB: neither too few nor too many",
           (unsigned long long)load.keys, plan.machines, gib[i % 3]);
        ok(plan.shards * PLAN_REPLICAS <= TOPOLOGY_NODES_MAX &&
               plan.keys / plan.nodes <= (double)TRIE_KEYS_MAX,
           "%u shards: a cluster and an index can be so large", plan.shards);
        ok(plan.keys * plan.machines >= (double)load.keys, "all keys have a place");
    }
    ok(made >= 20, "most plans are possible");
}

int main(int argc, char *argv[])
{
    if (argc > 1)
        keys = count_or_exit("balance", argv[1], KEYS_OF_A_TRIAL, UINT64_C(100000000000));
    seed = random_seeded().state;
    balance();
    other_keys();
    requests();
    for (unsigned i = 0; i < COUNT(sizes); i++)
        topology(sizes[i]);
    plans();
    return done_testing();
}
