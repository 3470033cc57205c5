// Numbers with a unit.
#include "support/count.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool count_parse(const char *text, uint64_t *count)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned long long unit = *end == 'k' ? 1000 : *end == 'M' ? 1000000 : 1;
    // strtoull itself would take a sign and spaces.
    if (!isdigit((unsigned char)*text) || errno != 0 || strcmp(end + (unit > 1), "") != 0 ||
        number > UINT64_MAX / unit)
        return false;
    *count = number * unit;
    return true;
}

bool count_parse_range(const char *text, uint64_t *first, uint64_t *last)
{
    char copy[64];
    uint64_t a;
    uint64_t b;
    if (strlen(text) >= sizeof copy)
        return false;
    strcpy(copy, text);
    char *dots = strstr(copy, "..");
    if (dots == NULL)
        return false;
    *dots = '\0';
    if (!count_parse(copy, &a) || !count_parse(dots + 2, &b) || a > b)
        return false;
    *first = a;
    *last = b;
    return true;
}

uint64_t count_or_exit(const char *program, const char *text, uint64_t min, uint64_t max)
{
    uint64_t number;
    if (count_parse(text, &number) && number >= min && number <= max)
        return number;
    fprintf(stderr, "%s: not a number from %llu to %llu: '%s' (--help tells more)\n", program,
            (unsigned long long)min, (unsigned long long)max, text);
    exit(2);
}
