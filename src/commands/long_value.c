// The value is kept as an offset and a length within the text of the dataset, not as a pointer.
// Each turn checks them against the dataset of that turn, so nothing outside its text is ever read.
#include "commands/long_value.h"

#include "data/dataset.h"

struct extent {
    size_t offset;
    size_t len;
};

enum lookup long_value_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                               struct span *value)
{
    struct span text = dataset_text(session_dataset(s));
    struct extent extent = {SIZE_MAX, 0}; // means "no value": no text is so long
    if (s->request.cursor != 0 && s->request.collected.len == sizeof extent) {
        memcpy(&extent, s->request.collected.ptr, sizeof extent);
        if (extent.offset > text.len || extent.len > text.len - extent.offset)
            return LOOKUP_MISSED;
        *value = span_of(text.ptr + extent.offset, extent.len);
        return LOOKUP_FOUND;
    }
    enum lookup lookup = session_look_up(s, r, i, value);
    if (lookup == LOOKUP_GOES_ON)
        return lookup;
    if (lookup == LOOKUP_FOUND)
        extent = (struct extent){(size_t)(value->ptr - text.ptr), value->len};
    s->request.collected.len = 0;
    buf_append(&s->request.collected, span_of((const char *)&extent, sizeof extent));
    return lookup;
}

void long_value_forget(struct session *s)
{
    s->oom |= s->request.collected.oom;
    buf_release(&s->request.collected);
}
