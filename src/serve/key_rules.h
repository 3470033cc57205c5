// Which words of a request are keys, and which text a key has in a reply: the only place of the
// server where the text of a key becomes a UUID or the other way round. The options --key-prefix
// and --key-forms decide. Without them, a key is the 36 characters of a UUID.
//
// The rules are constant after key_rules_init. Any thread may read them.
#ifndef STELE_SERVE_KEY_RULES_H
#define STELE_SERVE_KEY_RULES_H

#include "base/bytes.h"
#include "data/uuid_text.h"

enum {
    KEY_PREFIX_MAX = 64, // bytes of a prefix
    KEY_TEXT_MAX = KEY_PREFIX_MAX + UUID_TEXT_LEN,
};

struct key_rules {
    // Length of the words that uuid_parse reads as they are. SIZE_MAX, which no word has, if there
    // is a prefix.
    size_t plain_len;
    bool special;       // words of another length may be keys
    bool any_form;      // a UUID may be written in all forms of uuid_parse_any
    size_t text_len;    // bytes of a key in a reply
    struct span prefix; // text that each key begins with; empty: none
};

// Sets the rules. `prefix` has at most KEY_PREFIX_MAX bytes and must outlive the rules. NULL means
// the same as an empty one.
void key_rules_init(struct key_rules *rules, const char *prefix, bool any_form);

// Does what key_rules_read does, for a word that is not `plain_len` bytes long.
__attribute__((cold)) bool key_rules_read_special(const struct key_rules *rules, struct span word,
                                                  struct uuid *id);

// Reads a word of a request and sets `*id`. Returns false, with `*id` unspecified, when the word is
// not a key: it has not the prefix, or no UUID follows. Such a word is a key that does not exist.
static inline bool key_rules_read(const struct key_rules *rules, struct span word, struct uuid *id)
{
    if (word.len == rules->plain_len)
        return uuid_parse(word.ptr, id);
    return rules->special && key_rules_read_special(rules, word, id);
}

// Writes the text of a key, the prefix and the UUID in lower case, at `text`, which has room for
// KEY_TEXT_MAX bytes. Returns the text.
struct span key_rules_write(const struct key_rules *rules, struct uuid id, char *text);

// Sets `*least` and `*greatest` to the lowest and the highest UUID whose keys begin with `text`, in
// upper or lower case after the prefix. Returns false if there is none.
bool key_rules_complete(const struct key_rules *rules, struct span text, struct uuid *least,
                        struct uuid *greatest);

#endif
