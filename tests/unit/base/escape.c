// Tests of escaping: which characters stay, which are escaped, where a text is cut, and that error
// messages are escaped.
#include "base/escape.h"

#include "base/error.h"
#include "support/guard.h"
#include "support/tap.h"

static const struct {
    const char *text;
    const char *wanted;
} cases[] = {
    {"", ""},
    {"/var/lib/stele/devices.data", "/var/lib/stele/devices.data"},
    {"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"},
    {"\x1b[2J\x1b]0;title\a", "\\x1b[2J\\x1b]0;title\\x07"},
    {"\x7f\x01", "\\x7f\\x01"},
    {"C:\\n 'quoted' \"twice\" 100%", "C:\\n 'quoted' \"twice\" 100%"},
    {"donn\xc3\xa9"
     "es \xe6\x95\xb0\xe6\x8d\xae \xf0\x9f\x98\x80",
     "donn\xc3\xa9"
     "es \xe6\x95\xb0\xe6\x8d\xae \xf0\x9f\x98\x80"},
    // Control characters that are not ASCII: NEL, and CSI, which some terminals execute.
    {"\xc2\x85 \xc2\x9b", "\\xc2\\x85 \\xc2\\x9b"},
    {"\xc2\xa0", "\xc2\xa0"},
    // Characters that change the direction of text, end a line, or are invisible.
    {"\xe2\x80\xae"
     "atad",
     "\\xe2\\x80\\xaeatad"},
    {"\xe2\x81\xa6 \xd8\x9c \xe2\x80\x8f", "\\xe2\\x81\\xa6 \\xd8\\x9c \\xe2\\x80\\x8f"},
    {"\xe2\x80\xa8 \xe2\x80\xa9 \xef\xbb\xbf", "\\xe2\\x80\\xa8 \\xe2\\x80\\xa9 \\xef\\xbb\\xbf"},
    // Broken UTF-8: a byte alone, a character cut off or too long, a surrogate, a number too large.
    {"\x80 \xff \xc3", "\\x80 \\xff \\xc3"},
    {"\xe6\x95", "\\xe6\\x95"},
    {"\xe6\x95z", "\\xe6\\x95z"},
    {"\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", "\\xc0\\xaf \\xe0\\x80\\xaf \\xf0\\x80\\x80\\xaf"},
    {"\xed\xa0\x80 \xf4\x90\x80\x80", "\\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"},
};

// Escapes the text into a buffer of `size` bytes before a guard page, with both functions. Both
// results must be equal, and must be the beginning of the whole result.
static unsigned wrong_in(const char *text, const char *whole, size_t size)
{
    char blank[128] = "";
    struct guard a = {0};
    struct guard b = {0};
    struct bytes copy = guard_copy(&a, span_of(blank, size));
    struct bytes place = guard_copy(&b, span_of(blank, size));
    memcpy(place.ptr, text, strlen(text) < size ? strlen(text) : size - 1);
    size_t copied = escape_text(text, copy.ptr, size);
    size_t changed = escape_in_place(place.ptr, size);
    unsigned wrong = copied != strlen(copy.ptr) || changed != strlen(place.ptr) || copied >= size ||
                     memcmp(copy.ptr, whole, copied) != 0 ||
                     (size > strlen(whole) && strcmp(copy.ptr, whole) != 0);
    // escape_in_place gets a text that is already cut, so its last character may be broken.
    if (size > strlen(text))
        wrong += strcmp(copy.ptr, place.ptr) != 0;
    guard_release(&a);
    guard_release(&b);
    return wrong;
}

int main(void)
{
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char to[128];
        unsigned wrong = 0;
        size_t len = escape_text(cases[i].text, to, sizeof to);
        is_text(to, cases[i].wanted, "case %u", i);
        is_number((int64_t)len, (int64_t)strlen(cases[i].wanted), "case %u: the length", i);
        for (size_t size = 1; size <= strlen(cases[i].wanted) + 2; size++)
            wrong += wrong_in(cases[i].text, cases[i].wanted, size);
        is_number(wrong, 0, "a buffer of any size gets whole characters");
    }
    struct error error;
    char long_name[600];
    error_set(&error, "cannot open '%s': %s", "a\nb\x1b[31m", "no");
    is_text(error.text, "cannot open 'a\\x0ab\\x1b[31m': no", "an error message is one line");
    memset(long_name, '\n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    error_set(&error, "%s", long_name);
    is_number((int64_t)strlen(error.text), 508,
              "an error message that does not fit is one line too");
    return done_testing();
}
