// Goes through the text once, copies printable characters, and escapes all other bytes.
#include "base/escape.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ESCAPED = 4 }; // bytes of \xHH

// Whether a terminal shows the character, without any other effect.
static bool is_printable(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return false; // control characters
    if (c == 0x2028 || c == 0x2029 || c == 0xfeff)
        return false; // line separator, paragraph separator, byte order mark
    // Marks that change the direction of text.
    return !(c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
             (c >= 0x2066 && c <= 0x2069) || c == 0x61c);
}

// Returns the number of bytes of the printable character at `text`, or 0 when its first byte must
// be escaped. A UTF-8 character that is not complete is not printable. The NUL at the end of the
// text cannot be a part of a longer character, so nothing after the NUL is read.
static size_t printable_length(const char *text)
{
    const unsigned char *b = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = *b < 0x80 ? 1 : *b < 0xc2 ? 0 : *b < 0xe0 ? 2 : *b < 0xf0 ? 3 : *b < 0xf5 ? 4 : 0;
    uint32_t c = len == 1 ? *b : *b & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (b[i] & 0x3f);
    }
    bool good = len > 0 && c >= least[len] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
    return good && is_printable(c) ? len : 0;
}

// Writes the character at `*text`, escaped if necessary, and moves `*text` after it. Returns false
// when there is no room for the character and a NUL.
static bool put_character(const char **text, char *to, size_t room, size_t *len)
{
    static const char digits[] = "0123456789abcdef";
    size_t bytes = printable_length(*text);
    size_t used = bytes > 0 ? bytes : ESCAPED;
    if (*len + used >= room)
        return false;
    if (bytes > 0) {
        memcpy(to + *len, *text, bytes);
    } else {
        unsigned char c = (unsigned char)**text;
        memcpy(to + *len, (const char[]){'\\', 'x', digits[c >> 4], digits[c & 15]}, ESCAPED);
    }
    *len += used;
    *text += bytes > 0 ? bytes : 1;
    return true;
}

size_t escape_text(const char *text, char *to, size_t size)
{
    size_t len = 0;
    assert(size > 0);
    while (*text != '\0' && put_character(&text, to, size, &len))
        ;
    to[len] = '\0';
    return len;
}

size_t escape_in_place(char *text, size_t size)
{
    size_t at = 0;
    size_t bytes;
    size_t len = strlen(text);
    assert(len < size);
    while (text[at] != '\0') {
        if ((bytes = printable_length(text + at)) > 0) {
            at += bytes;
            continue;
        }
        // Move the rest of the text, to make room for the escaped byte. If the text does not fit
        // any more, its end is cut off.
        const char *byte = (const char[]){text[at], '\0'};
        size_t more = ESCAPED - 1;
        if (at + ESCAPED >= size)
            break;
        size_t rest = len - at - 1;
        if (at + ESCAPED + rest >= size)
            rest = size - at - ESCAPED - 1;
        memmove(text + at + ESCAPED, text + at + 1, rest);
        len = at + 1 + more + rest;
        text[len] = '\0';
        put_character(&byte, text, size, &at);
    }
    text[at] = '\0';
    return at;
}
