// Converts a list of percentiles from text and to text.
#include "metrics/percentiles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// Returns the number that `word` spells, or NaN when `word` is not a number from end to end.
static double read_number(struct span word)
{
    char copy[PERCENTILE_TEXT];
    char *end;
    if (word.len == 0 || word.len >= sizeof copy || word.ptr[0] <= ' ')
        return NAN;
    memcpy(copy, word.ptr, word.len);
    copy[word.len] = '\0';
    double number = strtod(copy, &end);
    return end == copy + word.len ? number : NAN;
}

const char *percentiles_parse(struct percentiles *p, struct span text)
{
    p->count = 0;
    for (size_t at = 0; text.len > 0 && at <= text.len;) {
        const char *space = at < text.len ? memchr(text.ptr + at, ' ', text.len - at) : NULL;
        size_t end = space != NULL ? (size_t)(space - text.ptr) : text.len;
        double number = read_number(span_of(text.ptr + at, end - at));
        if (isnan(number))
            return "Invalid latency-tracking-info-percentiles parameters";
        if (number < 0 || number > 100)
            return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        if (p->count == PERCENTILES_MAX)
            return "latency-tracking-info-percentiles takes at most 16 parameters";
        p->percent[p->count++] = number;
        at = end + 1;
    }
    return NULL;
}

// Writes a percentile at `to` as Redis does, with at most six decimals and no trailing zeros:
// "99.9". Returns `to`.
static const char *format_one(double percent, char to[PERCENTILE_TEXT])
{
    size_t len = (size_t)snprintf(to, PERCENTILE_TEXT, "%.6f", percent);
    while (to[len - 1] == '0')
        len--;
    if (to[len - 1] == '.')
        len--;
    to[len] = '\0';
    return to;
}

void percentiles_format(const struct percentiles *p, char *to, size_t size)
{
    size_t len = 0;
    *to = '\0';
    for (unsigned i = 0; i < p->count && len < size; i++) {
        char text[PERCENTILE_TEXT];
        len += (size_t)snprintf(to + len, size - len, "%s%s", i > 0 ? " " : "",
                                format_one(p->percent[i], text));
    }
}

void percentiles_append(const struct percentiles *p, const struct histogram_sum *sum, struct buf *b)
{
    for (unsigned i = 0; i < p->count; i++) {
        char percent[PERCENTILE_TEXT];
        double us = (double)histogram_sum_percentile(sum, p->percent[i]) / 1000;
        buf_printf(b, "%sp%s=%.3f", i > 0 ? "," : "", format_one(p->percent[i], percent), us);
    }
}
