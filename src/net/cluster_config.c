// A node is this process if --cluster-node names it. Without that option, it is the only node whose
// address a listener has. A listener on a wildcard has all addresses of this machine.
#include "net/cluster_config.h"

#include <stdio.h>

#include "base/error.h"
#include "net/acceptor.h"
#include "serve/cluster.h"
#include "serve/settings.h"

// Writes the names of nodes that this process may be, after a message.
static void name_candidates(const struct topology *t, const struct acceptor *acceptor,
                            struct error *error)
{
    char names[sizeof error->text] = "";
    size_t len = 0;
    for (unsigned i = 0; i < t->node_count && len + 1 < sizeof names; i++)
        if (acceptor_listens_at(acceptor, t->nodes[i].host, t->nodes[i].port))
            len += (size_t)snprintf(names + len, sizeof names - len, " %s", t->nodes[i].name);
    error_set(error,
              "several nodes have an address of this server:%s; choose one by --cluster-node",
              names);
}

// Sets `*self` to the index of the node that this process is.
static bool find_self(const struct settings *settings, const struct acceptor *acceptor,
                      const struct topology *t, unsigned *self, struct error *error)
{
    unsigned found = 0;
    if (settings->cluster_node != NULL) {
        *self = topology_find(t, span_text(settings->cluster_node));
        if (*self < t->node_count)
            return true;
        error_set(error, "'%s' has no node '%s'", settings->cluster_config, settings->cluster_node);
        return false;
    }
    for (unsigned i = 0; i < t->node_count; i++)
        if (acceptor_listens_at(acceptor, t->nodes[i].host, t->nodes[i].port)) {
            *self = i;
            found++;
        }
    if (found == 0)
        error_set(error,
                  "no node of '%s' has an address that this server listens on; name one by "
                  "--cluster-node",
                  settings->cluster_config);
    else if (found > 1)
        name_candidates(t, acceptor, error);
    return found == 1;
}

bool cluster_config_read(const struct settings *settings, const struct acceptor *acceptor,
                         struct cluster *present, struct cluster_view **view, struct error *error)
{
    unsigned self;
    struct topology *t = topology_read(settings->cluster_config, error);
    *view = NULL;
    if (t == NULL)
        return false;
    struct cluster_view *before = present != NULL ? cluster_take(present) : NULL;
    bool same = before != NULL && before->topology->content == t->content;
    bool older = before != NULL && before->topology->epoch > t->epoch;
    if (older)
        error_set(error, "'%s' has epoch %llu, which is lower than the present one, %llu",
                  settings->cluster_config, (unsigned long long)t->epoch,
                  (unsigned long long)before->topology->epoch);
    cluster_view_close(before);
    if (same || older || !find_self(settings, acceptor, t, &self, error)) {
        topology_close(t);
        return same;
    }
    *view = cluster_view_new(t, self, settings->cluster_crossslot);
    if (*view == NULL)
        error_set(error, "no memory for the cluster of '%s'", settings->cluster_config);
    return *view != NULL;
}
