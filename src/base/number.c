// Decimal integers in their canonical form. number_parse refuses a text of more than 20 characters
// before it reads the digits. In a shorter text it checks for overflow at each digit.
#include "base/number.h"

bool number_parse(struct span s, int64_t *value)
{
    if (s.len == 0 || s.len > NUMBER_TEXT_MAX)
        return false;
    bool negative = s.ptr[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == s.len)
        return false;
    if (s.ptr[i] == '0') {
        if (s.len != 1) // "01" and "-0" are not canonical
            return false;
        *value = 0;
        return true;
    }
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t sum = 0;
    for (; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (digit > 9 || sum > (limit - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

bool number_parse_memory(struct span s, uint64_t *bytes)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
    size_t digits = 0;
    int64_t value;
    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
        digits++;
    if (!number_parse(span_of(s.ptr, digits), &value))
        return false;
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
        uint64_t product;
        if (!span_is(span_of(s.ptr + digits, s.len - digits), units[i].name))
            continue;
        if (__builtin_mul_overflow((uint64_t)value, units[i].bytes, &product))
            return false;
        *bytes = product;
        return true;
    }
    return false;
}

bool number_parse_memory_or_percent(struct span s, int64_t *value)
{
    uint64_t bytes;
    int64_t percent;
    if (s.len > 0 && s.ptr[s.len - 1] == '%') {
        if (!number_parse(span_of(s.ptr, s.len - 1), &percent) || percent < 0 || percent > 100)
            return false;
        *value = -percent;
        return true;
    }
    if (!number_parse_memory(s, &bytes) || bytes > INT64_MAX)
        return false;
    *value = (int64_t)bytes;
    return true;
}

size_t number_format(char *to, uint64_t value)
{
    size_t len = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10)
        len++;
    for (size_t at = len; at > 0; value /= 10)
        to[--at] = (char)('0' + value % 10);
    return len;
}
