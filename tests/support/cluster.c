#include "support/cluster.h"

#include "base/error.h"
#include "support/tap.h"

struct cluster_view *view_of(struct span text, unsigned self, bool crossslot)
{
    struct error error = {""};
    struct topology *t = topology_parse(text, "topology", &error);
    require(t != NULL, "%s", error.text);
    struct cluster_view *view = cluster_view_new(t, self, crossslot);
    require(view != NULL, "no memory");
    return view;
}
