// The line that begins in a granule: each form of the search against a simple loop, and files whose
// short malformed lines put many newlines before a record. Every record must be found at its
// offset.
#include "data/granule.h"

#include <stdlib.h>

#include "base/error.h"
#include "data/build/image.h"
#include "data/build/sort.h"
#include "data/trie.h"
#include "support/guard.h"
#include "support/keysets.h"
#include "support/tap.h"

enum { RECORDS = 300, JUNK_MAX = 70, VALUE_MAX = 40 };

// The oracle: the last position that is the first or follows a newline.
static size_t oracle(const char *text)
{
    size_t start = 0;
    for (size_t i = 1; i < GRANULE; i++)
        if (text[i - 1] == '\n')
            start = i;
    return start;
}

static bool forms_agree(const char *text)
{
    size_t wanted = oracle(text);
    return SIMD(granule_start)(text) == wanted && granule_start_scalar(text) == wanted;
}

// Tries one and two newlines at all positions, then many. The granule ends at a guard page.
static void check_forms(struct random *r)
{
    struct guard g = {0};
    char blank[GRANULE];
    unsigned wrong = 0;
    memset(blank, 'x', sizeof blank);
    char *text = guard_copy(&g, span_of(blank, sizeof blank)).ptr;
    wrong += !forms_agree(text);
    for (unsigned a = 0; a < GRANULE; a++) {
        for (unsigned b = a; b < GRANULE; b++) {
            memcpy(text, blank, GRANULE);
            text[a] = text[b] = '\n';
            wrong += !forms_agree(text);
        }
    }
    for (unsigned round = 0; round < 10000; round++) {
        // The bytes next to the newline, and the one with its top bit set, are none.
        static const char bytes[] = {'\n', '\n', '\n' - 1, '\n' + 1, '\x8a', 0, 'a', '-'};
        for (unsigned i = 0; i < GRANULE; i++)
            text[i] = bytes[random_below(r, sizeof bytes)];
        wrong += !forms_agree(text);
    }
    is_number(wrong, 0, "each form finds the place where a record may begin");
    guard_release(&g);
}

// Appends up to JUNK_MAX bytes of short lines. The last of them ends in a newline.
static void add_junk(struct random *r, struct buf *text)
{
    static const char bytes[] = {'\n', '\n', 'a', ' ', '\r', '0', '-'};
    char junk[JUNK_MAX + 1];
    size_t len = random_below(r, 3) == 0 ? 0 : random_below(r, JUNK_MAX + 1);
    for (size_t i = 0; i < len; i++)
        junk[i] = bytes[random_below(r, sizeof bytes)];
    junk[len] = '\n';
    buf_append(text, span_of(junk, len > 0 ? len + 1 : 0));
}

// Returns the number of records that are not found at their offset.
static size_t count_missed(const struct trie *t, const struct trie_record *records, size_t count)
{
    size_t missed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t offset;
        uint64_t many[2];
        const struct uuid ids[2] = {records[i].id, {1, 2}};
        missed += !trie_find(t, records[i].id, &offset) || offset != records[i].offset;
        missed += !trie_at(t, i, &offset) || offset != records[i].offset;
        trie_find_many(t, ids, 2, many);
        missed += many[0] != records[i].offset || many[1] != TRIE_NONE;
        uint64_t granules[TRIE_LEAF_MAX];
        unsigned candidates = trie_candidates(t, records[i].id, granules);
        bool among = false;
        for (unsigned c = 0; c < candidates; c++)
            among |= trie_line_in(t, granules[c], &offset) && offset == records[i].offset &&
                     trie_is_line_of(t, offset, records[i].id);
        missed += !among;
    }
    return missed;
}

static void check_malformed(struct random *r)
{
    static struct uuid keys[RECORDS];
    static struct trie_record records[RECORDS];
    bool places[GRANULE] = {false};
    struct error error = {""};
    size_t missed = 0;
    size_t places_used = 0;
    for (unsigned round = 0; round < 50; round++) {
        struct buf text = {0};
        struct guard g = {0};
        struct trie_image image;
        struct trie t;
        struct trie_shape shape;
        keyset_fill(&keysets[0], r, keys, RECORDS);
        for (size_t i = 0; i < RECORDS; i++) {
            add_junk(r, &text);
            records[i] = (struct trie_record){keys[i], text.len};
            places[text.len % GRANULE] = true;
            keys_write_lines(r, &keys[i], 1, VALUE_MAX, &text);
        }
        size_t count = trie_sort(records, RECORDS);
        // The last line ends without a newline in some rounds.
        struct bytes copy = guard_copy(&g, span_of(text.ptr, text.len - round % 2));
        // The image is built as if the text were the beginning of large data.
        require(trie_build(records, count, UINT64_C(1) << 31, &image, &error) &&
                    trie_open(&t, span_of(image.memory.ptr, image.memory.len),
                              span_of(copy.ptr, copy.len), &error),
                "%s", error.text);
        missed += count_missed(&t, records, count);
        missed += !trie_check(&t, &shape, &error);
        trie_image_release(&image);
        guard_release(&g);
        buf_release(&text);
    }
    for (unsigned i = 0; i < GRANULE; i++)
        places_used += places[i];
    is_number((int64_t)missed, 0, "every record is found among malformed lines: %s", error.text);
    is_number((int64_t)places_used, GRANULE, "records began at every place of a granule");
}

// Slots have 5 bytes up to 32 GiB of data. Granules are used only where they save a byte.
static void check_widths(void)
{
    static const struct {
        uint64_t bytes;
        unsigned width;
        unsigned shift;
    } cases[] = {
        {0, 2, 0},
        {UINT64_C(1) << 22, 4, 0},
        {(UINT64_C(1) << 22) + 1, 5, 0},
        {UINT64_C(1) << 30, 5, 0},
        {(UINT64_C(1) << 30) + 1, 5, GRANULE_SHIFT},
        {UINT64_C(1) << 35, 5, GRANULE_SHIFT},
        {(UINT64_C(1) << 35) + 1, 6, 0},
        {UINT64_C(1) << 38, 6, 0},
        {(UINT64_C(1) << 38) + 1, 6, GRANULE_SHIFT},
        {UINT64_C(1) << 43, 6, GRANULE_SHIFT},
        {TRIE_DATA_MAX, 8, GRANULE_SHIFT},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trie_image image;
        struct trie t;
        struct error error = {""};
        require(
            trie_build(NULL, 0, cases[i].bytes, &image, &error) &&
                trie_open(&t, span_of(image.memory.ptr, image.memory.len), span_of("", 0), &error),
            "%s", error.text);
        ok(t.slot_bytes == cases[i].width && t.granule_shift == cases[i].shift &&
               trie_slot_bytes(cases[i].bytes) == cases[i].width,
           "slots for %llu bytes of data", (unsigned long long)cases[i].bytes);
        trie_image_release(&image);
    }
}

int main(void)
{
    struct random r = random_seeded();
    check_forms(&r);
    check_malformed(&r);
    check_widths();
    return done_testing();
}
