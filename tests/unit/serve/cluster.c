// Tests of serve/cluster.h: who is the primary, and where requests belong.
#include "serve/cluster.h"

#include "support/cluster.h"
#include "support/tap.h"

static const char text[] = "epoch 1\nshard 0-8191\nnode a1 h:1\nnode a2 h:2\nnode a3 h:3\n"
                           "shard 8192-16383\nnode b1 h:4\n";

// Their slots:
#define FOO "foo" // 12182
#define X "{x}1"  // 16287
#define BAR "bar" // 5061
// The slot of the first is 14142 in lower case and 12990 in upper case.
#define UPPER_12990 "3479D894-3271-4935-88CF-A06F3CBB80A5"
// The same slot; it has no letters.
#define DIGITS_12990 "00000000-0000-4000-8000-000000021748"
// The same UUID as UPPER_12990, in other forms: 14243, and 14142 because of the tag.
#define DIGITS_ONLY "3479d8943271493588cfa06f3cbb80a5"
#define BRACES "{3479d894-3271-4935-88cf-a06f3cbb80a5}"
// 6291 in lower case, 3914 in upper case.
#define UPPER_3914 "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF"

static struct key_rules strict;
static struct key_rules any_form;
static const struct key_rules *rules = &strict;

static void is_routed(const struct cluster_view *view, const char *first, const char *second,
                      enum route_kind kind, unsigned shard, const char *name)
{
    struct route route = {0};
    unsigned to = 99;
    if (first != NULL)
        route_add(&route, view, rules, span_text(first));
    if (second != NULL)
        route_add(&route, view, rules, span_text(second));
    route_decide(&route, view, &to);
    is_number(route.kind, kind, "%s", name);
    if (kind == ROUTE_MOVED || kind == ROUTE_ASK)
        is_number(to, shard, "%s: the shard", name);
}

static void check_routes(void)
{
    struct cluster_view *view = view_of(span_text(text), 1, true);
    is_routed(view, NULL, NULL, ROUTE_HERE, 0, "no keys");
    is_routed(view, BAR, NULL, ROUTE_HERE, 0, "a key of ours");
    is_routed(view, BAR, UPPER_3914, ROUTE_HERE, 0, "two slots of ours");
    is_routed(view, FOO, NULL, ROUTE_MOVED, 1, "another shard's");
    is_routed(view, FOO, FOO, ROUTE_MOVED, 1, "one slot of another shard");
    is_routed(view, FOO, BAR, ROUTE_CROSSSLOT, 0, "two shards");
    is_routed(view, FOO, X, ROUTE_CROSSSLOT, 0, "two slots of another shard");
    is_routed(view, UPPER_3914, NULL, ROUTE_HERE, 0, "upper case, both slots are ours");
    is_routed(view, UPPER_12990, NULL, ROUTE_MOVED, 1, "upper case, neither is ours");
    cluster_view_close(view);

    view = view_of(span_text(text), 1, false);
    is_routed(view, BAR, UPPER_3914, ROUTE_CROSSSLOT, 0, "two slots of ours, when refused");
    is_routed(view, BAR, BAR, ROUTE_HERE, 0, "one slot, when others are refused");
    cluster_view_close(view);

    static const char split[] = "epoch 1\nshard 0-12989 12991-16383\nnode a h:1\nshard 12990\n"
                                "node b h:2\n";
    view = view_of(span_text(split), 1, true);
    is_routed(view, UPPER_12990, NULL, ROUTE_ASK, 0, "upper case, only the slot is ours");
    is_routed(view, UPPER_12990, UPPER_12990, ROUTE_ASK, 0, "twice such a key");
    is_routed(view, UPPER_12990, DIGITS_12990, ROUTE_CROSSSLOT, 0,
              "one slot, two homes: the owner");
    is_routed(view, DIGITS_12990, UPPER_12990, ROUTE_CROSSSLOT, 0, "the same in the other order");
    cluster_view_close(view);
    view = view_of(span_text(split), 0, true);
    is_routed(view, UPPER_12990, NULL, ROUTE_HERE, 0, "upper case, only the home is ours");
    is_routed(view, UPPER_12990, DIGITS_12990, ROUTE_CROSSSLOT, 0, "one slot, two homes: another");
    cluster_view_close(view);
}

// A UUID in another form has the slot of its bytes, and the home of its usual text.
static void check_forms(void)
{
    static const char split[] = "epoch 1\nshard 0-14242 14244-16383\nnode a h:1\nshard 14243\n"
                                "node b h:2\n";
    struct cluster_view *view = view_of(span_text(split), 1, true);
    is_routed(view, DIGITS_ONLY, NULL, ROUTE_HERE, 0, "strict: a word is where its bytes are");
    rules = &any_form;
    is_routed(view, DIGITS_ONLY, NULL, ROUTE_ASK, 0, "no hyphens: only the slot is ours");
    is_routed(view, BRACES, NULL, ROUTE_MOVED, 0, "braces: the UUID is the tag of the slot");
    cluster_view_close(view);
    view = view_of(span_text(split), 0, true);
    is_routed(view, DIGITS_ONLY, NULL, ROUTE_HERE, 0, "no hyphens: only the home is ours");
    is_routed(view, BRACES, NULL, ROUTE_HERE, 0, "braces: both are ours");
    rules = &strict;
    cluster_view_close(view);
}

static void check_primaries(void)
{
    struct cluster_view *view = view_of(span_text(text), 1, true);
    is_number(cluster_primary(view, 0), 0, "the first node is the primary");
    ok(cluster_is_replica(view), "the second one is a replica");
    cluster_set_down(view, 0, true);
    is_number(cluster_primary(view, 0), 1, "the first that is up");
    ok(!cluster_is_replica(view), "so this node is the primary now");
    cluster_set_down(view, 1, true);
    ok(cluster_is_up(view, 1), "a node is always up for itself");
    cluster_set_down(view, 3, true);
    is_number(cluster_primary(view, 1), 3, "no node is up: the first");
    ok(!cluster_is_replica(NULL), "without a cluster nobody is a replica");
    cluster_view_close(view);
}

static void check_replacement(void)
{
    struct cluster cluster;
    cluster_init(&cluster);
    ok(cluster_take(&cluster) == NULL && atomic_load(&cluster.version) == 0, "no view at first");
    struct cluster_view *first = view_of(span_text(text), 0, true);
    cluster_replace(&cluster, first);
    is_number(atomic_load(&cluster.announced), 0, "a view is not announced at once");
    cluster_announce(&cluster);
    is_number(atomic_load(&cluster.announced), 1, "a view is announced");
    struct cluster_view *taken = cluster_take(&cluster);
    ok(taken == first && atomic_load(&cluster.version) == 1, "a view is taken");
    cluster_replace(&cluster, view_of(span_text(text), 1, true));
    is_number(taken->self, 0, "the old one stays while it is used");
    cluster_view_close(taken);
    cluster_release(&cluster);
}

// A new topology does not make this node forget which nodes are down, not even for a moment.
static void check_inheritance(void)
{
    static const char later[] = "epoch 2\nshard 0-16383\nnode b1 h:4\nnode a1 h:1\nnode a2 h:2\n"
                                "node a3 h:33\nnode c1 h:5\n";
    struct cluster cluster;
    struct node_state state = {.keys = 7};
    cluster_init(&cluster);
    struct cluster_view *view = view_of(span_text(text), 1, true);
    cluster_replace(&cluster, view);
    cluster_set_down(view, 0, true);
    cluster_set_down(view, 2, true);
    atomic_store(&view->peers[3].good_ms, 1234);
    cluster_set_state(view, 3, &state);
    view = view_of(span_text(later), 2, true);
    cluster_replace(&cluster, view);
    ok(!cluster_is_up(view, 1), "a node that is down stays down in a new topology");
    ok(cluster_is_up(view, 0) && cluster_is_up(view, 4), "others are up");
    ok(cluster_is_up(view, 3), "so is a node whose address has changed");
    ok(atomic_load(&view->peers[0].good_ms) == 1234 && cluster_get_state(view, 0, &state) &&
           state.keys == 7,
       "what a node has said last is kept");
    ok(!cluster_get_state(view, 4, &state), "nothing is known about a new node");
    cluster_release(&cluster);
}

int main(void)
{
    key_rules_init(&strict, NULL, false);
    key_rules_init(&any_form, NULL, true);
    check_routes();
    check_forms();
    check_primaries();
    check_replacement();
    check_inheritance();
    return done_testing();
}
