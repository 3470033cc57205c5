// The parser is for this one reply: an array whose elements are bulk strings and integers.
#include "serve/node_state.h"

#include <string.h>

#include "base/number.h"

enum {
    FIELDS_MAX = 64,    // more elements are no reply of a node
    NUMBER_DIGITS = 20, // bytes of a number in front of CRLF
};

// Takes a line of the form <type><number>CRLF from the beginning of `rest`.
static enum node_state_reply take_number(struct span *rest, char type, int64_t *number)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - rest->ptr) + 1 : rest->len;
    if (len > 0 && rest->ptr[0] != type)
        return NODE_STATE_WRONG;
    if (end == NULL)
        return len <= NUMBER_DIGITS + 2 ? NODE_STATE_INCOMPLETE : NODE_STATE_WRONG;
    if (len < 4 || rest->ptr[len - 2] != '\r' ||
        !number_parse(span_of(rest->ptr + 1, len - 3), number))
        return NODE_STATE_WRONG;
    *rest = span_of(rest->ptr + len, rest->len - len);
    return NODE_STATE_GOOD;
}

// Takes a bulk string of at most `size` - 1 bytes, and appends a NUL. `to` may be NULL; then the
// string may have any length.
static enum node_state_reply take_text(struct span *rest, char *to, size_t size)
{
    int64_t len;
    enum node_state_reply reply = take_number(rest, '$', &len);
    if (reply != NODE_STATE_GOOD)
        return reply;
    if (len < 0 || (to != NULL && len >= (int64_t)size))
        return NODE_STATE_WRONG;
    if ((uint64_t)len + 2 > rest->len)
        return NODE_STATE_INCOMPLETE;
    if (memcmp(rest->ptr + len, "\r\n", 2) != 0 || memchr(rest->ptr, '\0', (size_t)len) != NULL)
        return NODE_STATE_WRONG;
    if (to != NULL) {
        memcpy(to, rest->ptr, (size_t)len);
        to[len] = '\0';
    }
    *rest = span_of(rest->ptr + len + 2, rest->len - (size_t)len - 2);
    return NODE_STATE_GOOD;
}

// Takes field number `i`.
static enum node_state_reply take_field(struct span *rest, int64_t i, struct node_state *state)
{
    int64_t ignored;
    switch (i) {
    case 0: return take_text(rest, state->name, sizeof state->name);
    case 1: return take_number(rest, ':', &state->epoch);
    case 2: return take_number(rest, ':', &state->generation);
    case 3: return take_text(rest, state->version, sizeof state->version);
    case 4: return take_text(rest, state->hash, sizeof state->hash);
    case 5: return take_number(rest, ':', &state->keys);
    case 6: return take_number(rest, ':', &state->foreign_keys);
    case 7: return take_number(rest, ':', &state->loading);
    case 8: return take_number(rest, ':', &state->made_at);
    default:
        return rest->len > 0 && rest->ptr[0] == '$' ? take_text(rest, NULL, 0)
                                                    : take_number(rest, ':', &ignored);
    }
}

enum node_state_reply node_state_parse(struct span reply, struct node_state *state)
{
    struct span rest = reply;
    struct node_state parsed;
    int64_t fields;
    enum node_state_reply result = take_number(&rest, '*', &fields);
    if (result == NODE_STATE_GOOD && (fields < NODE_STATE_FIELDS || fields > FIELDS_MAX))
        return NODE_STATE_WRONG;
    for (int64_t i = 0; result == NODE_STATE_GOOD && i < fields; i++)
        result = take_field(&rest, i, &parsed);
    if (result == NODE_STATE_GOOD && rest.len > 0)
        return NODE_STATE_WRONG;
    if (result == NODE_STATE_GOOD)
        *state = parsed;
    return result;
}
