// STELE.CLUSTER: what data each node of the cluster serves. The nodes ask each other for it each
// second (net/prober.h). Publishers and clients ask too, when they must not mix two versions.
#include "base/clock.h"
#include "commands/groups.h"
#include "commands/rows.h"
#include "serve/node_state.h"
#include "serve/own_state.h"
#include "serve/session.h"

// Writes the NODE_STATE_FIELDS fields.
static void reply_state(struct resp_writer *w, const struct node_state *state)
{
    resp_bulk_text(w, state->name);
    resp_integer(w, state->epoch);
    resp_integer(w, state->generation);
    resp_bulk_text(w, state->version);
    resp_bulk_text(w, state->hash);
    resp_integer(w, state->keys);
    resp_integer(w, state->foreign_keys);
    resp_integer(w, state->loading);
    resp_integer(w, state->made_at);
}

static enum command_result stele_cluster_state_command(struct session *s,
                                                       const struct resp_request *r)
{
    struct node_state state;
    (void)r;
    own_state(&state, s);
    resp_array(&s->reply, NODE_STATE_FIELDS);
    reply_state(&s->reply, &state);
    return COMMAND_DONE;
}

// Replies with what another node has said last, or with its name if it has said nothing yet.
static void reply_peer(struct session *s, unsigned number)
{
    struct cluster_view *view = s->service->view;
    const struct cluster_peer *peer = &view->peers[number];
    struct node_state state;
    int64_t good_ms = atomic_load(&peer->good_ms);
    int64_t since = good_ms > 0 ? (int64_t)(clock_wall_us() / 1000) - good_ms : -1;
    if (!cluster_get_state(view, number, &state))
        state = (struct node_state){.foreign_keys = -1};
    memcpy(state.name, view->topology->nodes[number].name, sizeof state.name);
    reply_state(&s->reply, &state);
    resp_bulk_text(&s->reply, cluster_is_up(view, number) ? "up" : "down");
    resp_integer(&s->reply, good_ms > 0 && since < 0 ? 0 : since);
}

static enum command_result stele_cluster_nodes_command(struct session *s,
                                                       const struct resp_request *r)
{
    const struct cluster_view *view = s->service->view;
    unsigned count = view != NULL ? view->topology->node_count : 1;
    (void)r;
    session_charge(s, count);
    resp_array(&s->reply, count);
    for (unsigned i = 0; i < count; i++) {
        resp_array(&s->reply, NODE_STATE_FIELDS + 2);
        if (view != NULL && i != view->self) {
            reply_peer(s, i);
            continue;
        }
        struct node_state state;
        own_state(&state, s);
        reply_state(&s->reply, &state);
        resp_bulk_text(&s->reply, "up");
        resp_integer(&s->reply, 0);
    }
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

const struct command stele_cluster_commands[] = {
    {"stele.cluster", -2, MODULE, NO_KEYS, GROUP_MODULE, "0.1.0", IN_SLOW, NULL,
     "A container for the commands about the data that nodes serve", NULL,
     .deviation = "Redis has no such command. [scaling.md](scaling.md#which-version-a-node-serves) "
                  "explains the replies."},
    {"stele.cluster|help", 2, LOADING | STALE | MODULE, NO_KEYS, GROUP_MODULE, "0.1.0", IN_SLOW,
     help_command, "Returns a description of each subcommand", "O(1)"},
    {"stele.cluster|nodes", 2, STALE | MODULE, NO_KEYS, GROUP_MODULE, "0.1.0", IN_SLOW,
     stele_cluster_nodes_command,
     "Returns the version of the data that each node serves, as this node has heard it last",
     "O(N) where N is the number of nodes", "nondeterministic_output"},
    {"stele.cluster|state", 2, STALE | MODULE, NO_KEYS, GROUP_MODULE, "0.1.0", IN_SLOW,
     stele_cluster_state_command, "Returns the version of the data that this node serves", "O(1)",
     "nondeterministic_output"},
    {0},
};
