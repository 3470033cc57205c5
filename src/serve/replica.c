// The list of the group is read seldom, and it changes seldom. What changes more often about a
// replica is atomic, so that acknowledgements take no lock.
#include "serve/replica.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct replica *replica_new(struct session *session, struct service *service)
{
    struct replica *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->session = session;
    r->group = service->group;
    link_init(&r->in_loop);
    link_init(&r->in_group);
    return r;
}

void replica_free(struct replica *r)
{
    if (r == NULL)
        return;
    struct observation *o = &r->group->observation;
    link_remove(&r->in_loop);
    pthread_mutex_lock(&o->replicas_lock);
    link_remove(&r->in_group);
    pthread_mutex_unlock(&o->replicas_lock);
    free(r);
}

size_t replica_memory(const struct replica *r)
{
    return r != NULL ? sizeof *r : 0;
}

// Sets the IP address to that of the connection, unless the replica has given another one.
static void set_ip(struct replica *r, const char *address)
{
    if (*r->ip != '\0')
        return;
    const char *colon = strrchr(address, ':');
    size_t len = colon != NULL ? (size_t)(colon - address) : strlen(address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    }
    memcpy(r->ip, address, len);
}

void replica_enlist(struct replica *r, struct service *service, const char *address,
                    enum replica_state state, int64_t offset)
{
    struct observation *o = &r->group->observation;
    set_ip(r, address);
    atomic_store(&r->state, (int)state);
    atomic_store(&r->sent, offset);
    atomic_store(&r->received, offset);
    atomic_store(&r->heard_ns, clock_monotonic_ns());
    link_move_last(&service->replicas, &r->in_loop);
    pthread_mutex_lock(&o->replicas_lock);
    link_move_last(&o->replicas, &r->in_group);
    pthread_mutex_unlock(&o->replicas_lock);
}

unsigned replicas_describe(struct service_group *group, struct replica_facts *facts, unsigned most,
                           unsigned *count, int64_t *offset)
{
    struct observation *o = &group->observation;
    uint64_t now = clock_monotonic_ns();
    unsigned described = 0;
    *count = 0;
    *offset = 0;
    pthread_mutex_lock(&o->replicas_lock);
    for (struct link *link = o->replicas.next; link != &o->replicas; link = link->next) {
        const struct replica *r = container_of(link, struct replica, in_group);
        int64_t sent = atomic_load(&r->sent);
        uint64_t heard = atomic_load(&r->heard_ns);
        *offset = sent > *offset ? sent : *offset;
        ++*count;
        if (described == most)
            continue;
        struct replica_facts *f = &facts[described++];
        memcpy(f->ip, r->ip, sizeof f->ip);
        f->port = atomic_load(&r->port);
        f->state = (enum replica_state)atomic_load(&r->state);
        f->received = atomic_load(&r->received);
        f->lag = f->state == REPLICA_ONLINE && now > heard ? (now - heard) / CLOCK_SECOND : 0;
    }
    pthread_mutex_unlock(&o->replicas_lock);
    return described;
}
