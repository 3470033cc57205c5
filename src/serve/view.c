// Views of a dataset: counted once a loop.
#include "serve/view.h"

#include <stdlib.h>

#include "data/dataset.h"

static void release_placed(struct ref *ref)
{
    struct view *view = (struct view *)ref; // its first member
    link_remove(&view->link);
    ref_drop(dataset_ref(view->dataset));
}

static void release_new(struct ref *ref)
{
    release_placed(ref);
    free(ref);
}

void view_init(struct view *view, struct dataset *dataset)
{
    ref_take(dataset_ref(dataset));
    *view = (struct view){.dataset = dataset};
    link_init(&view->link);
    ref_init(&view->ref, release_placed);
}

struct view *view_new(struct dataset *dataset)
{
    struct view *view = malloc(sizeof *view);
    if (view == NULL)
        return NULL;
    view_init(view, dataset);
    view->ref.release = release_new;
    return view;
}

const struct view *view_of(const struct ref *ref)
{
    return (const struct view *)ref;
}

bool view_stands(const struct ref *ref, unsigned damage)
{
    return dataset_look(view_of(ref)->dataset) == damage;
}
