// Reads the file of --cluster-config, and finds out which of its nodes this process is.
#ifndef STELE_NET_CLUSTER_CONFIG_H
#define STELE_NET_CLUSTER_CONFIG_H

#include <stdbool.h>

struct acceptor;
struct cluster;
struct cluster_view;
struct error;
struct settings;

// Reads the topology and sets `*view` to a view of it, whose reference is the caller's. It stays
// NULL if `present` has a view of the same content. `present` may be NULL. Returns false with a
// message if the file is wrong, its epoch is lower than that of the present view, or none or
// several of its nodes are this process. Only if `settings->cluster_config` is not NULL. Any thread
// may call this.
bool cluster_config_read(const struct settings *settings, const struct acceptor *acceptor,
                         struct cluster *present, struct cluster_view **view, struct error *error);

#endif
