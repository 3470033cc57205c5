// OBJECT: how Redis would store the value of a key, which is what those who ask want to compare.
// Nothing here is stored that way, and nothing is noted when a key is read.
#include "base/number.h"
#include "serve/handlers.h"
#include "serve/session.h"

enum {
    EMBEDDED_MAX = 44,       // bytes of a string that Redis allocates with its header
    SHARED_INTEGERS = 10000, // from 0 on, one object each for all keys
};

static enum lookup lookup_or_null(struct session *s, const struct resp_request *r,
                                  struct span *value)
{
    enum lookup lookup = session_look_up(s, r, 2, value);
    if (lookup == LOOKUP_MISSED)
        resp_null(&s->reply);
    return lookup;
}

enum command_result object_encoding_command(struct session *s, const struct resp_request *r)
{
    struct span value;
    int64_t number;
    enum lookup lookup = lookup_or_null(s, r, &value);
    if (lookup != LOOKUP_FOUND)
        return lookup == LOOKUP_GOES_ON ? COMMAND_AGAIN : COMMAND_DONE;
    if (number_parse(value, &number))
        resp_bulk_text(&s->reply, "int");
    else
        resp_bulk_text(&s->reply, value.len <= EMBEDDED_MAX ? "embstr" : "raw");
    return COMMAND_DONE;
}

enum command_result object_refcount_command(struct session *s, const struct resp_request *r)
{
    struct span value;
    int64_t number;
    enum lookup lookup = lookup_or_null(s, r, &value);
    if (lookup != LOOKUP_FOUND)
        return lookup == LOOKUP_GOES_ON ? COMMAND_AGAIN : COMMAND_DONE;
    bool shared = number_parse(value, &number) && number >= 0 && number < SHARED_INTEGERS;
    resp_integer(&s->reply, shared ? INT32_MAX : 1);
    return COMMAND_DONE;
}

enum command_result object_idletime_command(struct session *s, const struct resp_request *r)
{
    if (session_has(s, r, 2))
        resp_integer(&s->reply, 0);
    else
        resp_null(&s->reply);
    return COMMAND_DONE;
}

enum command_result object_freq_command(struct session *s, const struct resp_request *r)
{
    if (session_has(s, r, 2))
        resp_error(&s->reply,
                   "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                   "Please note that when switching between policies at runtime LRU and LFU data "
                   "will take some time to adjust.");
    else
        resp_null(&s->reply);
    return COMMAND_DONE;
}
