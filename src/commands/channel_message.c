// The client's output may be in the middle of a reply, so the message is passed to session_push,
// which delivers it between two replies. Only what precedes the text is first written to a
// temporary buffer. The text may be long, so it is not copied there.
#include "commands/channel_message.h"

#include <string.h>

#include "base/number.h"
#include "base/output.h"
#include "serve/session.h"

void channel_message_push(struct session *s, const char *kind, const struct span *pattern,
                          struct span channel, struct span message)
{
    struct output head = {0};
    struct resp_writer w = {.out = &head, .protocol = s->reply.protocol};
    resp_push(&w, pattern != NULL ? 4 : 3);
    resp_bulk_text(&w, kind);
    if (pattern != NULL)
        resp_bulk(&w, *pattern);
    resp_bulk(&w, channel);
    if (message.ptr == NULL) {
        resp_null(&w);
        session_push_output(s, &head);
        return;
    }
    char length[1 + NUMBER_TEXT_MAX + 2];
    size_t digits = number_format(length + 1, message.len);
    length[0] = '$';
    memcpy(length + 1 + digits, "\r\n", 2);
    output_append(&head, span_of(length, 1 + digits + 2));
    const struct span parts[] = {buf_span(&head.owned), message, span_of("\r\n", 2)};
    if (!output_oom(&head))
        session_push_parts(s, parts, 3);
    else
        session_push_output(s, &head);
    output_release(&head);
}
