// The prober finds out which nodes of the cluster are up, on a thread of its own. It keeps one
// connection to each other node and sends STELE.CLUSTER STATE each second, or PING to a node that
// does not know it. A node whose machine hangs costs the loops nothing.
//
// A node is down when it has given no good answer for --cluster-node-timeout, or has refused two
// connections in a row. It is up again when its answers were good for 10 seconds without a break.
// After our own start, the first good answer suffices. A node of which nothing is known counts as
// up. If a host has several addresses, they are tried in turn until one gives a good answer.
#ifndef STELE_NET_PROBER_H
#define STELE_NET_PROBER_H

#include <stdbool.h>

struct cluster;
struct error;
struct prober;
struct settings;

// Starts to probe the nodes of the present view of `cluster`, and of each later one. Both arguments
// must outlive the prober. Returns NULL with a message when memory, descriptors or threads are
// short.
struct prober *prober_start(struct cluster *cluster, const struct settings *settings,
                            struct error *error);

// Ends the thread and frees the prober. Returns false if the thread does not end within two
// seconds, because it waits for a name server. Then nothing is freed, and all that it uses must
// stay. NULL is accepted.
bool prober_stop(struct prober *p);

#endif
