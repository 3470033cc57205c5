// Each question searches the text from its beginning. A page of figures asks for some dozens of
// fields of some hundred lines, once a second.
#include "client/info.h"

#include <stdlib.h>

enum { NUMBER_MAX = 20 };

// Sets `field` to the next item that has a `between` in it. Items end with `end`.
static bool next_item(struct span text, size_t *at, char end, char between,
                      struct info_field *field)
{
    while (*at < text.len) {
        const char *begin = text.ptr + *at;
        const char *stop = memchr(begin, end, text.len - *at);
        size_t len = stop != NULL ? (size_t)(stop - begin) : text.len - *at;
        const char *middle = len > 0 ? memchr(begin, between, len) : NULL;
        *at += len + (stop != NULL);
        if (len > 0 && begin[len - 1] == '\r')
            len--;
        if (middle == NULL || middle == begin)
            continue;
        size_t name = (size_t)(middle - begin);
        field->name = span_of(begin, name);
        field->value = span_of(middle + 1, len - name - 1);
        return true;
    }
    return false;
}

bool info_next(struct span info, size_t *at, struct info_field *field)
{
    return next_item(info, at, '\n', ':', field);
}

bool info_next_part(struct span value, size_t *at, struct info_field *part)
{
    return next_item(value, at, ',', '=', part);
}

bool info_parse_number(struct span text, double *value)
{
    char copy[NUMBER_MAX + 1];
    unsigned digits = 0;
    unsigned points = 0;
    if (text.len > NUMBER_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        digits += c >= '0' && c <= '9';
        points += c == '.';
        if ((c < '0' || c > '9') && c != '.' && !(c == '-' && i == 0))
            return false;
        copy[i] = c;
    }
    if (digits == 0 || points > 1)
        return false;
    copy[text.len] = '\0';
    *value = strtod(copy, NULL);
    return true;
}

static struct span find(struct span text, const char *name,
                        bool (*next)(struct span text, size_t *at, struct info_field *field))
{
    struct span wanted = span_text(name);
    struct info_field field;
    for (size_t at = 0; next(text, &at, &field);)
        if (span_equal(field.name, wanted))
            return field.value;
    return span_of("", 0);
}

struct span info_text(struct span info, const char *name)
{
    return find(info, name, info_next);
}

struct span info_part_text(struct span value, const char *name)
{
    return find(value, name, info_next_part);
}

bool info_number(struct span info, const char *name, double *value)
{
    return info_parse_number(info_text(info, name), value);
}

bool info_part_number(struct span value, const char *name, double *number)
{
    return info_parse_number(info_part_text(value, name), number);
}
