// The parts are those of partition_by_ranges. The product's limits are the limits here: keys of an
// index, nodes of a topology, parts of a table.
#include "support/cluster_plan.h"

#include "base/error.h"
#include "data/build/image.h"
#include "data/trie.h"
#include "support/tap.h"

double plan_index_bytes(double keys, double data_bytes)
{
    return keys * (trie_slot_bytes((uint64_t)data_bytes) + PLAN_NODE_HUNDREDTHS / 100.0);
}

double plan_shares(unsigned parts, double *share)
{
    struct error error = {""};
    struct topology_range range = {0, 0};
    struct partition *p = partition_by_ranges(parts, &error);
    double largest = 0;
    unsigned slot = 0;
    require(p != NULL, "%s", error.text);
    for (unsigned part = 0; part < parts; part++) {
        bool follows = partition_next_range(p, part, slot, &range) && range.first == slot;
        require(follows, "part %u of %u has the slots from %u on", part + 1, parts, slot);
        share[part] = (range.last + 1 - slot) / (double)SLOTS;
        largest = share[part] > largest ? share[part] : largest;
        slot = range.last + 1;
    }
    require(slot == SLOTS, "%u parts have all slots", parts);
    partition_free(p);
    return largest * parts;
}

// Returns the probability that a part with this share has at least one of the keys: not all keys
// are in other parts.
static double probability(double share, unsigned keys)
{
    double none = 1;
    for (unsigned i = 0; i < keys; i++)
        none *= 1 - share;
    return 1 - none;
}

double plan_parts_asked(const double *share, unsigned parts, unsigned keys)
{
    double asked = 0;
    for (unsigned part = 0; part < parts; part++)
        asked += probability(share[part], keys);
    return asked;
}

double plan_slots_asked(unsigned keys)
{
    return SLOTS * probability(1.0 / SLOTS, keys);
}

double plan_meets_slow(const double *share, unsigned parts, unsigned keys)
{
    double none = 1;
    for (unsigned part = 0; part < parts; part++)
        none *= 1 - probability(share[part], keys) / 100;
    return 1 - none;
}

double plan_request_seconds(double requests, unsigned keys)
{
    return (requests * PLAN_REQUEST_NS + keys * (double)PLAN_KEY_NS) / 1e9;
}

// Sets the figures of one machine. Returns whether it can serve so much.
static bool fits(const struct plan_load *load, struct plan *plan)
{
    double share[PARTITION_PARTS_MAX];
    double part_keys = (double)load->keys / plan->shards * plan_shares(plan->shards, share);
    double part_bytes = part_keys * load->line_bytes;
    double part_index = plan_index_bytes(part_keys, part_bytes);
    double memory = (double)load->memory * (100 - PLAN_SPARE_PERCENT) / 100;
    double build = part_keys * PLAN_BUILD_BYTES + part_index;
    bool spills = build > (double)load->memory * PLAN_BUILD_PERCENT / 100;
    plan->keys = part_keys * plan->nodes;
    plan->data_bytes = part_bytes * plan->nodes;
    plan->index_bytes = part_index * plan->nodes;
    plan->disk_bytes = 2 * (plan->data_bytes + plan->index_bytes) +
                       (spills ? part_keys * PLAN_TEMPORARY_BYTES : 0);
    if (part_keys > (double)TRIE_KEYS_MAX)
        return false;
    // During a reload the old and the new version are in memory. Without the data, half of the
    // memory is left for lines that are read often.
    return load->all_in_memory ? 2 * (plan->data_bytes + plan->index_bytes) <= memory
                               : 2 * plan->index_bytes <= memory / 2;
}

bool plan_make(const struct plan_load *load, struct plan *plan)
{
    enum { SHARDS_MAX = TOPOLOGY_NODES_MAX / PLAN_REPLICAS };
    _Static_assert((int)SHARDS_MAX <= (int)PARTITION_PARTS_MAX, "a part for each shard");
    // With enough nodes for each machine, only the keys of an index limit how many parts there are.
    for (unsigned machines = 1; machines <= SHARDS_MAX; machines++)
        for (unsigned nodes = 1; machines * nodes <= SHARDS_MAX; nodes++) {
            *plan = (struct plan){.machines = machines, .nodes = nodes, .shards = machines * nodes};
            if (fits(load, plan))
                return true;
            if (plan->keys / nodes <= (double)TRIE_KEYS_MAX)
                break; // more parts on the same machine would hardly take less memory
        }
    return false;
}

struct plan_publishing plan_publish(const struct plan_load *load, const struct plan *plan,
                                    unsigned gigabits)
{
    double data = (double)load->keys * load->line_bytes;
    double link = gigabits * 1e9 / 8 * PLAN_LINK_PERCENT / 100;
    double reload = PLAN_WARM_SECONDS + plan->index_bytes / (PLAN_LOCK_MB * 1e6);
    // One machine sends each part once. Then the machines that have them send them to the replicas,
    // all at the same time.
    return (struct plan_publishing){
        .split = plan->shards > 1 ? data / (PLAN_SPLIT_MB * 1e6) : 0,
        .copy = (data + plan->data_bytes * (PLAN_REPLICAS - 1)) / link,
        .index = plan->keys / PLAN_INDEX_KEYS,
        .reload = 2 * reload,
    };
}
