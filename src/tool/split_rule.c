// Finds out which options belong to the rule, and refuses all others, because an option that has no
// effect is a mistake.
#include "tool/split_rule.h"

#include <stdio.h>

#include "base/error.h"

enum { SLOTS_RULE = 1, TWEMPROXY = 2, PREDIXY = 4, PREFIX = 8 };

static const struct {
    const char *name;
    unsigned rule;
} rules[] = {
    {"slots", SLOTS_RULE}, {"twemproxy", TWEMPROXY}, {"predixy", PREDIXY}, {"prefix", PREFIX}};

static unsigned rule_of(const char *name)
{
    for (unsigned i = 0; name != NULL && i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].name, name) == 0)
            return rules[i].rule;
    return 0;
}

// Whether only options of this rule were given.
static bool options_belong(const struct split_options *o, unsigned rule, struct error *error)
{
    const struct {
        const char *name;
        bool given;
        unsigned rules;
    } options[] = {
        {"--cluster", o->cluster != NULL, SLOTS_RULE},
        {"--parts", o->parts != 0, SLOTS_RULE | PREDIXY},
        {"--hash", o->hash != NULL, TWEMPROXY},
        {"--distribution", o->distribution != NULL, TWEMPROXY},
        {"--servers", o->servers != NULL, TWEMPROXY},
        {"--nutcracker", o->nutcracker != NULL, TWEMPROXY},
        {"--pool", o->pool != NULL, TWEMPROXY},
        {"--digits", o->digits != 0, PREFIX},
    };
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].given && (options[i].rules & rule) == 0) {
            error_set(error, "%s does not belong to --by %s", options[i].name, o->by);
            return false;
        }
    return true;
}

static bool refuse(struct error *error, const char *text)
{
    error_set(error, "%s", text);
    return false;
}

static bool read_slots(struct split_rule *r, struct error *error)
{
    const struct split_options *o = r->options;
    if ((o->cluster != NULL) == (o->parts != 0))
        return refuse(error, "--by slots needs either --cluster CONFIG or --parts N");
    if (o->cluster == NULL) {
        r->partition = partition_by_ranges(o->parts, error);
        return r->partition != NULL;
    }
    r->topology = topology_read(o->cluster, error);
    if (r->topology != NULL)
        r->partition = partition_by_topology(r->topology, error);
    return r->partition != NULL;
}

// Reads the options that --servers needs. The configuration file has them all.
static bool read_list(struct split_rule *r, struct error *error)
{
    const struct split_options *o = r->options;
    enum partition_hash hash;
    bool modula = o->distribution != NULL && strcmp(o->distribution, "modula") == 0;
    if (o->hash == NULL || o->distribution == NULL)
        return refuse(error, "--servers needs --hash and --distribution");
    if (!partition_hash_find(span_text(o->hash), &hash)) {
        error_set(error, "unknown hash '%s'; stele help split lists them", o->hash);
        return false;
    }
    if (!modula && strcmp(o->distribution, "ketama") != 0)
        return refuse(error, "--distribution must be modula or ketama");
    if (!twemproxy_parse_list(&r->servers, span_text(o->servers), error))
        return false;
    r->servers.hash = hash;
    r->servers.distribution = modula ? PARTITION_MODULA : PARTITION_KETAMA;
    return true;
}

static bool read_servers(struct split_rule *r, struct error *error)
{
    const struct split_options *o = r->options;
    if ((o->servers != NULL) == (o->nutcracker != NULL))
        return refuse(error, "--by twemproxy needs either --servers LIST or --nutcracker CONFIG");
    if (o->nutcracker != NULL && (o->hash != NULL || o->distribution != NULL))
        return refuse(error, "--nutcracker excludes --hash and --distribution, because its file "
                             "has them");
    if (o->servers != NULL && o->pool != NULL)
        return refuse(error, "--pool needs --nutcracker CONFIG");
    if (!(o->servers != NULL ? read_list(r, error)
                             : twemproxy_read(&r->servers, o->nutcracker, o->pool, error)))
        return false;
    r->partition = partition_by_servers(r->servers.hash, r->servers.distribution,
                                        r->servers.servers, r->servers.count, error);
    return r->partition != NULL;
}

bool split_rule_init(struct split_rule *r, const struct split_options *options, struct error *error)
{
    *r = (struct split_rule){.options = options};
    unsigned rule = rule_of(options->by);
    if (rule == 0)
        return refuse(error, "--by must be slots, twemproxy, predixy or prefix");
    if (!options_belong(options, rule, error))
        return false;
    if (rule == SLOTS_RULE)
        return read_slots(r, error);
    if (rule == TWEMPROXY)
        return read_servers(r, error);
    if (rule == PREDIXY && options->parts == 0)
        return refuse(error, "--by predixy needs --parts N");
    if (rule == PREFIX && options->digits == 0)
        return refuse(error, "--by prefix needs --digits 1 or --digits 2");
    r->partition = rule == PREDIXY ? partition_by_remainder(options->parts, error)
                                   : partition_by_prefix(options->digits, error);
    return r->partition != NULL;
}

void split_rule_release(struct split_rule *r)
{
    partition_free(r->partition);
    topology_close(r->topology);
    twemproxy_release(&r->servers);
    *r = (struct split_rule){0};
}

void split_rule_describe(const struct split_rule *r, struct buf *to)
{
    const struct twemproxy_pool *pool = &r->servers;
    buf_printf(to, "by %s\n", r->options->by);
    if (r->topology != NULL)
        buf_printf(to, "epoch %llu\n", (unsigned long long)r->topology->epoch);
    if (pool->servers != NULL)
        buf_printf(to, "hash %s\ndistribution %s\n", partition_hash_name(pool->hash),
                   pool->distribution == PARTITION_MODULA ? "modula" : "ketama");
    if (r->options->digits != 0)
        buf_printf(to, "digits %u\n", r->options->digits);
    buf_printf(to, "parts %u\n", partition_count(r->partition));
}

static void describe_slots(const struct split_rule *r, unsigned part, struct buf *to)
{
    struct topology_range range;
    const char *before = "slots";
    for (unsigned at = 0; partition_next_range(r->partition, part, at, &range);
         at = range.last + 1) {
        if (range.first == range.last)
            buf_printf(to, "%s %u", before, range.first);
        else
            buf_printf(to, "%s %u-%u", before, range.first, range.last);
        before = "";
    }
    if (*before == '\0')
        buf_append_text(to, "\n");
}

void split_rule_describe_part(const struct split_rule *r, unsigned part, struct buf *to)
{
    static const char digits[] = "0123456789abcdef";
    describe_slots(r, part, to);
    if (r->topology != NULL) {
        const struct topology_shard *shard = &r->topology->shards[part];
        buf_append_text(to, "nodes");
        for (unsigned i = 0; i < shard->nodes; i++)
            buf_printf(to, " %s", r->topology->nodes[shard->first_node + i].name);
        buf_append_text(to, "\n");
    }
    if (r->servers.servers != NULL)
        buf_printf(to, "server %s\nweight %u\n", r->servers.servers[part].name,
                   r->servers.servers[part].weight);
    if (r->options->digits == 1)
        buf_printf(to, "prefix %c\n", digits[part]);
    if (r->options->digits == 2)
        buf_printf(to, "prefix %c%c\n", digits[part >> 4], digits[part & 15]);
}
