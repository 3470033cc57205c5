// Words that are longer or shorter than a UUID. The prefix is compared byte by byte, as Redis
// compares keys: only the letters of the UUID have two cases.
#include "serve/key_rules.h"

#include <assert.h>

void key_rules_init(struct key_rules *rules, const char *prefix, bool any_form)
{
    struct span text = span_text(prefix != NULL ? prefix : "");
    assert(text.len <= KEY_PREFIX_MAX);
    *rules = (struct key_rules){
        .plain_len = text.len > 0 ? SIZE_MAX : UUID_TEXT_LEN,
        .special = text.len > 0 || any_form,
        .any_form = any_form,
        .text_len = text.len + UUID_TEXT_LEN,
        .prefix = text,
    };
}

bool key_rules_read_special(const struct key_rules *rules, struct span word, struct uuid *id)
{
    size_t len = rules->prefix.len;
    if (word.len <= len || memcmp(word.ptr, rules->prefix.ptr, len) != 0)
        return false;
    struct span rest = span_of(word.ptr + len, word.len - len);
    if (rest.len == UUID_TEXT_LEN)
        return uuid_parse(rest.ptr, id);
    return rules->any_form && uuid_parse_any(rest, id);
}

struct span key_rules_write(const struct key_rules *rules, struct uuid id, char *text)
{
    memcpy(text, rules->prefix.ptr, rules->prefix.len);
    uuid_format(id, text + rules->prefix.len);
    return span_of(text, rules->text_len);
}

bool key_rules_complete(const struct key_rules *rules, struct span text, struct uuid *least,
                        struct uuid *greatest)
{
    char low[UUID_TEXT_LEN];
    char high[UUID_TEXT_LEN];
    text = text.len > 0 ? text : span_text(""); // its pointer may be NULL
    size_t common = text.len < rules->prefix.len ? text.len : rules->prefix.len;
    if (text.len > rules->text_len || memcmp(text.ptr, rules->prefix.ptr, common) != 0)
        return false;
    memcpy(low, "00000000-0000-0000-0000-000000000000", UUID_TEXT_LEN);
    memcpy(high, "ffffffff-ffff-ffff-ffff-ffffffffffff", UUID_TEXT_LEN);
    memcpy(low, text.ptr + common, text.len - common);
    memcpy(high, text.ptr + common, text.len - common);
    return uuid_parse(low, least) && uuid_parse(high, greatest);
}
