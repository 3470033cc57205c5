#include "serve/own_state.h"

#include <stdio.h>
#include <string.h>

#include "data/dataset.h"
#include "serve/node_state.h"
#include "serve/session.h"

static void set_dataset(struct node_state *state, const struct dataset *d)
{
    uint64_t content;
    state->hash[0] = '\0';
    snprintf(state->version, sizeof state->version, "%s", dataset_version(d));
    if (dataset_checksum(d, &content))
        snprintf(state->hash, sizeof state->hash, "%016llx", (unsigned long long)content);
    state->keys = (int64_t)dataset_figures(d)->keys;
    state->made_at = dataset_made_at(d);
}

void own_state(struct node_state *state, const struct session *s)
{
    struct service_group *group = s->service->group;
    const struct cluster_view *view = s->service->view;
    *state = (struct node_state){.foreign_keys = -1};
    set_dataset(state, session_dataset(s));
    state->generation = (int64_t)service_generation(s->service, session_snapshot(s)) + 1;
    state->loading = reload_history_read(&group->observation.reloads).running;
    if (view == NULL)
        return;
    memcpy(state->name, view->topology->nodes[view->self].name, sizeof state->name);
    state->epoch = (int64_t)view->topology->epoch;
    state->foreign_keys = atomic_load(&group->cluster.foreign_keys);
}
