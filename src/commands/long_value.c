// A value in the text of the dataset is kept as an offset and a length, not as a pointer. Each turn
// checks them against the dataset of that turn, so nothing outside its text is ever read. Another
// value (serve/cold.h) is short and valid only until the end of the turn, so it is copied.
#include "commands/long_value.h"

#include "data/dataset.h"

struct extent {
    size_t offset; // NO_VALUE, or COPIED: the value follows this struct
    size_t len;
};

// No text is so long.
#define NO_VALUE SIZE_MAX
#define COPIED (SIZE_MAX - 1)

// Sets `*value` to the value that an earlier turn has kept.
static enum lookup restore(const struct session *s, struct span text, struct span *value)
{
    struct extent extent;
    const struct buf *kept = &s->request.collected;
    memcpy(&extent, kept->ptr, sizeof extent);
    if (extent.offset == COPIED) {
        *value = span_of(kept->ptr + sizeof extent, kept->len - sizeof extent);
        return LOOKUP_FOUND;
    }
    if (extent.offset > text.len || extent.len > text.len - extent.offset)
        return LOOKUP_MISSED;
    *value = span_of(text.ptr + extent.offset, extent.len);
    return LOOKUP_FOUND;
}

enum lookup long_value_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                               struct span *value)
{
    struct span text = dataset_text(session_dataset(s));
    struct extent extent = {NO_VALUE, 0};
    if (s->request.cursor != 0 && s->request.collected.len >= sizeof extent)
        return restore(s, text, value);
    enum lookup lookup = session_look_up(s, r, i, value);
    if (lookup == LOOKUP_GOES_ON)
        return lookup;
    bool in_text =
        lookup == LOOKUP_FOUND && value->ptr >= text.ptr && value->ptr <= text.ptr + text.len;
    if (lookup == LOOKUP_FOUND)
        extent = (struct extent){in_text ? (size_t)(value->ptr - text.ptr) : COPIED, value->len};
    s->request.collected.len = 0;
    buf_append(&s->request.collected, span_of((const char *)&extent, sizeof extent));
    if (extent.offset == COPIED)
        buf_append(&s->request.collected, *value);
    return lookup;
}

void long_value_forget(struct session *s)
{
    s->oom |= s->request.collected.oom;
    buf_release(&s->request.collected);
}
