// STELE.RELOAD, and what is remembered of reloads.
#include "serve/reload.h"

#include <stdlib.h>

#include "base/clock.h"
#include "serve/handlers.h"
#include "serve/session.h"

void reload_history_init(struct reload_history *h)
{
    h->figures = (struct reload_figures){.published_ns = clock_monotonic_ns()};
    pthread_mutex_init(&h->lock, NULL);
}

void reload_history_release(struct reload_history *h)
{
    pthread_mutex_destroy(&h->lock);
}

void reload_history_begin(struct reload_history *h)
{
    pthread_mutex_lock(&h->lock);
    h->figures.running = true;
    h->figures.begun_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&h->lock);
}

void reload_history_end(struct reload_history *h, uint64_t took_ns, bool unchanged,
                        const struct error *why)
{
    bool replaced = why == NULL && !unchanged;
    struct reload_figures *f = &h->figures;
    pthread_mutex_lock(&h->lock);
    f->running = false;
    f->failed = why != NULL;
    f->done += replaced;
    f->failures += why != NULL;
    if (replaced)
        f->published_ns = clock_monotonic_ns();
    f->ended_us = clock_wall_us();
    f->took_ns = took_ns;
    f->why = why != NULL ? *why : (struct error){""};
    pthread_mutex_unlock(&h->lock);
}

struct reload_figures reload_history_read(struct reload_history *h)
{
    pthread_mutex_lock(&h->lock);
    struct reload_figures figures = h->figures;
    pthread_mutex_unlock(&h->lock);
    return figures;
}

// Who may read need not be allowed to make the server work for seconds: only a client that knows a
// password, and that admin-commands allows it.
static bool may_reload(struct session *s)
{
    if (s->service->group->reload == NULL)
        resp_error(&s->reply, "ERR this server cannot reload its dataset");
    else if (s->service->settings->requirepass == NULL)
        resp_error(&s->reply, "NOPERM STELE.RELOAD needs a server with a password; SIGHUP and "
                              "--watch do not");
    else
        return true;
    return false;
}

enum command_result stele_reload_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    const struct service_group *group = s->service->group;
    struct reload_request *request = (struct reload_request *)errand_answer(s);
    if (request == NULL && s->errand != NULL)
        return COMMAND_WAIT;
    if (request == NULL) {
        if (!may_reload(s))
            return COMMAND_DONE;
        request = calloc(1, sizeof *request);
        if (request == NULL) {
            s->oom = true;
            return COMMAND_DONE;
        }
        request->errand.release = errand_free;
        errand_lend(&request->errand, s);
        group->reload(group->reload_context, request);
        return COMMAND_WAIT;
    }
    if (request->failed)
        resp_error(&s->reply, "ERR cannot reload: %s", request->why.text);
    else
        resp_status(&s->reply, request->unchanged ? "OK unchanged" : "OK");
    errand_end(s);
    return COMMAND_DONE;
}
