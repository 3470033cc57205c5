// Views of clusters for tests that run no server.
#ifndef STELE_TESTS_CLUSTER_H
#define STELE_TESTS_CLUSTER_H

#include "base/bytes.h"
#include "serve/cluster.h"

// Returns the view that node `self` has of the topology in `text`. Ends the test when the text is
// wrong.
struct cluster_view *view_of(struct span text, unsigned self, bool crossslot);

#endif
