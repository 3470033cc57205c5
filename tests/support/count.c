// Numbers with a unit.
#include "support/count.h"

#include <ctype.h>
#include <errno.h>
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
