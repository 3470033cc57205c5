// The modes and prefixes of a tracking client. They have no effect, and are kept only for CLIENT
// TRACKINGINFO and CLIENT LIST.
#include "serve/tracking.h"

#include <stdlib.h>

struct tracking *tracking_new(uint64_t reported, void (*invalidate)(struct session *s))
{
    struct tracking *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->reported = reported;
    t->invalidate = invalidate;
    return t;
}

void tracking_free(struct tracking *t)
{
    if (t == NULL)
        return;
    for (unsigned i = 0; i < t->prefix_count; i++)
        buf_release(&t->prefixes[i]);
    free(t->prefixes);
    free(t);
}

size_t tracking_memory(const struct tracking *t)
{
    size_t bytes = t != NULL ? sizeof *t : 0;
    for (unsigned i = 0; t != NULL && i < t->prefix_count; i++)
        bytes += sizeof *t->prefixes + t->prefixes[i].cap;
    return bytes;
}

int64_t tracking_redirect(const struct tracking *t)
{
    return t == NULL ? TRACKING_REDIRECT_OFF : (int64_t)t->redirect;
}

size_t tracking_letters(const struct tracking *t, char *to)
{
    size_t len = 0;
    if (t == NULL)
        return 0;
    to[len++] = 't';
    if (t->broken)
        to[len++] = 'R';
    if (t->modes.bcast)
        to[len++] = 'B';
    return len;
}

static int compare(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool tracking_add_prefix(struct tracking *t, struct span prefix)
{
    unsigned at = 0;
    while (at < t->prefix_count && compare(buf_span(&t->prefixes[at]), prefix) < 0)
        at++;
    if (at < t->prefix_count && span_equal(buf_span(&t->prefixes[at]), prefix))
        return true;
    struct buf *grown = realloc(t->prefixes, (t->prefix_count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    t->prefixes = grown;
    memmove(grown + at + 1, grown + at, (t->prefix_count - at) * sizeof *grown);
    grown[at] = (struct buf){0};
    t->prefix_count++;
    buf_append(&grown[at], prefix);
    return !grown[at].oom;
}
