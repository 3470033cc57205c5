// Views of a dataset: counted once a loop.
#include "serve/view.h"

#include <stdlib.h>

#include "data/dataset.h"

static void release_placed(struct ref *ref)
{
    struct view *view = (struct view *)ref; // its first member
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
    view->dataset = dataset;
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

bool view_stands(const struct ref *ref, unsigned damage)
{
    const struct view *view = (const struct view *)ref;
    return dataset_look(view->dataset) == damage;
}
