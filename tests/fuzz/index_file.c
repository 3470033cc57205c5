// Fuzz target: index files with any content. No byte outside the index file and the data file may
// be read. Every call must return. The value returned for a key must be stored under that key.
//
// An input (index_file.h) is a trie image or an index file, depending on its flags. An index file
// is written to memory and opened as a server does. The trie image, also that of an index file, is
// copied to a block of exactly its size. So the address sanitizer reports any byte read beyond it.
// The answers are compared with the records that the line reader finds in the data text, which the
// input names.
#include "fuzz/index_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "data/dataset.h"
#include "data/index_file.h"
#include "data/index_format.h"
#include "data/lines.h"
#include "data/trie.h"
#include "data/trie_image.h"
#include "data/uuid_text.h"
#include "support/fuzz.h"

_Static_assert(offsetof(struct index_header, zeros) == INPUT_FIELDS, "all fields are in the input");

enum {
    RECORDS_MAX = 100,
    QUESTIONS_MAX = 2 * RECORDS_MAX + 4,
    RANKS_MAX = 4096, // number of ranks that are checked, from 0 on; an image may have many more
};

// A file in memory and a path to open it by.
struct memory_file {
    int fd;
    char path[32];
};

// A data text and what is known about it.
struct table {
    struct span text;
    struct memory_file file;
    struct identity identity;
    struct record records[RECORDS_MAX]; // records of the text, in the order of the lines
    size_t record_count;
    struct uuid questions[QUESTIONS_MAX];
    size_t question_count;
};

// ---- the texts ----------------------------------------------------------------------------------

struct uuid index_file_key(unsigned i)
{
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;
    uint64_t y = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    return (struct uuid){y ^ y >> 32, x ^ x >> 30};
}

static struct uuid flipped(struct uuid id, size_t bit)
{
    if (bit < 64)
        return (struct uuid){id.hi, id.lo ^ 1ull << bit};
    return (struct uuid){id.hi ^ 1ull << (bit - 64), id.lo};
}

static void add_key(struct buf *to, struct uuid id)
{
    char text[UUID_TEXT_LEN];
    uuid_format(id, text);
    buf_append(to, span_of(text, sizeof text));
}

static void add_line(struct buf *to, struct uuid id, const char *rest)
{
    add_key(to, id);
    buf_append_text(to, rest);
}

static void add_traps(struct buf *to)
{
    add_line(to, index_file_key(0), " plain value\n");
    size_t upper = to->len;
    add_line(to, index_file_key(1), " upper case\n");
    for (size_t i = upper; i < upper + UUID_TEXT_LEN; i++)
        to->ptr[i] = ascii_upper(to->ptr[i]);
    add_line(to, index_file_key(2), " \n");
    add_line(to, index_file_key(3), " ");
    add_line(to, index_file_key(KEY_IN_VALUE), " not its value\n");
    add_line(to, index_file_key(KEY_WITHOUT_SPACE), ";not its value\n\n");
    add_line(to, index_file_key(4), " replaced\n");
    add_line(to, index_file_key(4), " served\n");
    add_line(to, (struct uuid){0, 0}, " nil\n");
    add_line(to, (struct uuid){UINT64_MAX, UINT64_MAX}, " max\r\nnot a UUID\n");
    add_line(to, index_file_key(5), " "); // the last line, without a newline
}

struct span index_file_text(unsigned number)
{
    static struct span texts[TEXT_COUNT]; // NULL for the empty text
    struct buf text = {0};
    if (texts[number].len > 0)
        return texts[number];
    if (number == TEXT_TRAPS)
        add_traps(&text);
    for (unsigned i = 0; number == TEXT_RANDOM && i < 60; i++)
        add_line(&text, index_file_key(i), " value\n");
    for (unsigned i = 0; number == TEXT_COMB && i < 128; i += 2)
        add_line(&text, flipped((struct uuid){0, 0}, i), " \n");
    for (unsigned i = 0; number == TEXT_PREFIX && i < 60; i++)
        add_line(&text, (struct uuid){index_file_key(0).hi, index_file_key(i).lo}, " \n");
    if (number == TEXT_SHORT)
        buf_append_text(&text, "short\n");
    if (number == TEXT_CUT) {
        add_line(&text, index_file_key(0), " value\n");
        add_line(&text, index_file_key(KEY_WITHOUT_SPACE), "");
    }
    if (text.len > 0) {
        char *exact = malloc(text.len);
        must(exact != NULL, "memory for a text");
        memcpy(exact, text.ptr, text.len);
        texts[number] = span_of(exact, text.len);
    }
    must(!text.oom, "memory for a text");
    buf_release(&text);
    return texts[number];
}

static void memory_file_open(struct memory_file *f)
{
    f->fd = memfd_create("fuzz", MFD_CLOEXEC);
    must(f->fd >= 0, "a file in memory");
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

static void add_question(struct table *t, struct uuid id)
{
    must(t->question_count < QUESTIONS_MAX, "room for questions");
    t->questions[t->question_count++] = id;
}

static void table_init(struct table *t, unsigned number)
{
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    struct stat status;
    t->text = index_file_text(number);
    memory_file_open(&t->file);
    must(file_write(t->file.fd, t->text.ptr, t->text.len, 0) && fstat(t->file.fd, &status) == 0,
         "a data file in memory");
    t->identity = identity_of_file(&status);
    t->identity.seed = INPUT_SEED;
    t->identity.sample = identity_sample(t->text, INPUT_SEED);
    must(identity_content(t->text, &t->identity.content, NULL), "memory for a checksum");
    lines_init(&reader, t->text);
    while ((result = lines_next(&reader, &record, &fault)) != LINE_END) {
        if (result != LINE_RECORD)
            continue;
        must(t->record_count < RECORDS_MAX, "room for records");
        add_question(t, record.id);
        add_question(t,
                     flipped(record.id, t->record_count * 37 % 128)); // a missing key that is near
        t->records[t->record_count++] = record;
    }
    add_question(t, (struct uuid){0, 0});
    add_question(t, (struct uuid){UINT64_MAX, UINT64_MAX});
    add_question(t, index_file_key(KEY_IN_VALUE));
    add_question(t, index_file_key(KEY_WITHOUT_SPACE));
}

static const struct table *table_of(unsigned number)
{
    static struct table tables[TEXT_COUNT];
    static bool ready;
    for (unsigned i = 0; !ready && i < TEXT_COUNT; i++)
        table_init(&tables[i], i);
    ready = true;
    return &tables[number % TEXT_COUNT];
}

// Returns the record whose line begins at the offset, or NULL.
static const struct record *record_at(const struct table *t, uint64_t offset)
{
    size_t lo = 0;
    size_t hi = t->record_count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (t->records[middle].offset < offset)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < t->record_count && t->records[lo].offset == offset ? &t->records[lo] : NULL;
}

// ---- the trie -----------------------------------------------------------------------------------

static void check_find(const struct table *t, const struct trie *trie)
{
    uint64_t many[QUESTIONS_MAX];
    trie_find_many(trie, t->questions, t->question_count, many);
    for (size_t i = 0; i < t->question_count; i++) {
        struct uuid id = t->questions[i];
        struct trie_probe probe;
        uint64_t offset;
        uint64_t probed;
        bool found = trie_find(trie, id, &offset);
        must(found == trie_find_probed(trie, id, &probed, &probe),
             "trie_find_probed finds the same keys");
        must(probe.nodes <= TRIE_DEPTH_MAX && probe.slots <= TRIE_LEAF_MAX &&
                 probe.touches <= probe.slots,
             "a lookup's work is bounded");
        must(many[i] == (found ? offset : TRIE_NONE), "trie_find_many finds the same keys");
        must(trie_seek(trie, id) <= trie->count, "a rank is at most the count");
        if (!found)
            continue;
        const struct record *record = record_at(t, offset);
        must(offset == probed, "trie_find_probed finds the same record");
        must(record != NULL && uuid_equal(record->id, id), "the record found has the key");
    }
}

// Returns the key at a rank of a trie that trie_check has accepted.
static struct uuid good_key(const struct table *t, const struct trie *trie, uint64_t rank)
{
    uint64_t offset;
    must(trie_at(trie, rank, &offset), "a good trie has a record for each rank");
    const struct record *record = record_at(t, offset);
    must(record != NULL, "the record at a rank is a record of the text");
    return record->id;
}

static void check_good_trie(const struct table *t, const struct trie *trie,
                            const struct trie_shape *shape)
{
    must(shape->depth <= TRIE_DEPTH_MAX && shape->leaf_max <= TRIE_LEAF_MAX,
         "depth and leaves are bounded");
    must(trie->count <= t->record_count, "no more keys than records");
    for (uint64_t rank = 1; rank < trie->count; rank++)
        must(uuid_less(good_key(t, trie, rank - 1), good_key(t, trie, rank)), "keys are in order");
    for (size_t i = 0; i < t->question_count; i++) {
        struct uuid id = t->questions[i];
        uint64_t rank = trie_seek(trie, id);
        must(rank == 0 || uuid_less(good_key(t, trie, rank - 1), id), "keys before are less");
        must(rank == trie->count || !uuid_less(good_key(t, trie, rank), id),
             "keys from the rank on are not less");
    }
}

static void check_trie(const struct table *t, struct span image)
{
    struct trie trie;
    struct trie_shape shape;
    struct error error;
    if (!trie_open(&trie, image, t->text, &error))
        return;
    struct trie_header h;
    memcpy(&h, image.ptr, sizeof h);
    must(h.magic == TRIE_MAGIC && h.version == TRIE_VERSION && h.image_bytes == image.len,
         "an opened image has this version and its full size");
    check_find(t, &trie);
    for (uint64_t rank = 0; rank < trie.count && rank < RANKS_MAX; rank++) {
        uint64_t offset;
        if (trie_at(&trie, rank, &offset))
            must(record_at(t, offset) != NULL, "a rank leads to a record of the text");
    }
    if (trie.count > 0) {
        uint64_t offset;
        (void)trie_at(&trie, trie.count - 1, &offset);
    }
    if (trie_check(&trie, &shape, &error))
        check_good_trie(t, &trie, &shape);
}

// Opens the image in a block of exactly its size.
static void check_image(const struct table *t, struct span image, bool fit)
{
    char *exact = malloc(image.len > 0 ? image.len : 1);
    must(exact != NULL, "memory for an image");
    if (image.len > 0)
        memcpy(exact, image.ptr, image.len);
    if (fit && image.len >= sizeof(struct trie_header)) {
        uint64_t bytes = image.len;
        memcpy(exact + offsetof(struct trie_header, image_bytes), &bytes, sizeof bytes);
    }
    check_trie(t, span_of(exact, image.len));
    free(exact);
}

// ---- the dataset --------------------------------------------------------------------------------

// Checks that a value belongs to the key: the record at its offset in the mapped text has that key.
static void check_value(const struct table *t, const struct dataset *d, struct uuid id,
                        struct span value)
{
    struct span text = dataset_text(d);
    must(value.ptr >= text.ptr && value.len <= text.len &&
             (size_t)(value.ptr - text.ptr) <= text.len - value.len,
         "a value lies in the text");
    const struct record *record =
        record_at(t, (uint64_t)(value.ptr - text.ptr) - (uint64_t)LINE_VALUE_AT);
    must(record != NULL && uuid_equal(record->id, id), "a value belongs to its key");
    must(record->value.len == value.len, "a value is whole");
}

static void check_dataset(const struct table *t, const struct dataset *d)
{
    struct span many[QUESTIONS_MAX];
    uint64_t keys = dataset_figures(d)->keys;
    struct uuid id;
    struct span value;
    dataset_get_many(d, t->questions, t->question_count, many);
    for (size_t i = 0; i < t->question_count; i++) {
        id = t->questions[i];
        bool found = dataset_get(d, id, &value);
        must(many[i].ptr == (found ? value.ptr : NULL), "dataset_get_many finds the same values");
        must(dataset_seek(d, id) <= keys, "a rank is at most the count");
        if (found)
            check_value(t, d, id, value);
    }
    for (uint64_t rank = 0; rank < keys && rank < RANKS_MAX; rank++)
        if (dataset_at(d, rank, &id, &value))
            check_value(t, d, id, value);
    must(!dataset_at(d, keys, &id, &value), "no record follows the last one");
}

// Checks an index that was built from the text: it has all keys, and the last line of a key counts.
static void check_rebuilt(const struct table *t, const struct dataset *d)
{
    for (size_t i = 0; i < t->record_count; i++) {
        struct span value;
        must(dataset_get(d, t->records[i].id, &value), "a built index has all keys");
        must((uint64_t)(value.ptr - dataset_text(d).ptr) >= t->records[i].offset,
             "a built index finds the last line of a key");
    }
}

// Checks what docs/index-format.md says is always true.
static void check_opened(const struct index_file *index, bool verified)
{
    const struct index_facts *f = &index->facts;
    struct index_header h;
    struct index_trailer trailer;
    must(index->mapping.len >= sizeof h + sizeof trailer &&
             index->image.ptr == index->mapping.ptr + INDEX_IMAGE_AT &&
             index->mapping.len == index_file_bytes(index->image.len),
         "a file has its parts where they belong");
    memcpy(&h, index->mapping.ptr, sizeof h);
    memcpy(&trailer, index->mapping.ptr + index->mapping.len - sizeof trailer, sizeof trailer);
    must(h.magic == INDEX_MAGIC && h.byte_order == INDEX_BYTE_ORDER && h.version == INDEX_VERSION &&
             h.features == 0,
         "a file has the right magic, byte order and version");
    must(h.file_bytes == index->mapping.len && h.header_sum == index_header_sum(&h) &&
             trailer.magic == INDEX_END && trailer.checksums_sum == h.checksums_sum,
         "a file is whole");
    struct span sums = {(const char *)index->verifier.sums,
                        index_block_count(index->image.len) * sizeof(uint64_t)};
    must(checksum(sums) == h.checksums_sum, "the table of checksums has its own checksum");
    must(!verified || index->image.len == 0 || index->image.len > INDEX_BLOCK ||
             index->verifier.sums[0] == checksum(index->image),
         "a verified block has its checksum");
    must(f->malformed <= f->lines && f->keys <= f->lines - f->malformed &&
             f->duplicates == f->lines - f->malformed - f->keys && f->value_bytes <= f->data.bytes,
         "a file's counts add up");
}

static void check_refused(const struct table *t, const struct memory_file *f)
{
    struct error error;
    struct dataset_settings settings = {
        .malformed = DATASET_SKIP_MALFORMED, .index = DATASET_INDEX_ONLY, .index_path = f->path};
    must(dataset_open(t->file.path, &settings, NULL, &error) == NULL,
         "a damaged index is not opened as a dataset");
}

static bool same_times(const struct identity *a, const struct identity *b)
{
    return a->inode == b->inode && a->modified_ns == b->modified_ns &&
           a->changed_ns == b->changed_ns;
}

// Whether the data file has the checksum that the index claims. If `sampled` is set, the checksum
// of the samples is enough.
static bool is_like(const struct table *t, const struct identity *claimed, bool sampled)
{
    return claimed->content == t->identity.content ||
           (sampled && claimed->sample == identity_sample(t->text, claimed->seed));
}

// `ways` are the flags in byte 0 of the input, `flags` those in byte 1.
static void check_served(const struct table *t, const struct memory_file *f,
                         const struct identity *claimed, unsigned ways, unsigned flags)
{
    struct error error;
    bool skip = (ways & INPUT_SKIP) != 0;
    bool sampled = (ways & INPUT_SAMPLED) != 0;
    struct dataset_settings settings = {
        .malformed = skip ? DATASET_SKIP_MALFORMED : DATASET_REFUSE_MALFORMED,
        .index = DATASET_INDEX_ONLY,
        .index_path = f->path,
        .trust = sampled ? DATASET_TRUST_SAMPLED : DATASET_TRUST_PROVEN,
        .huge_pages = (flags & INPUT_HUGE) != 0,
    };
    struct dataset *d = dataset_open(t->file.path, &settings, NULL, &error);
    if (d == NULL)
        return;
    bool same_file = same_times(claimed, &t->identity);
    must(claimed->bytes == t->text.len && (same_file || is_like(t, claimed, sampled)),
         "an index of other data is not used");
    must(skip || dataset_figures(d)->malformed == 0, "malformed lines are refused");
    must(dataset_figures(d)->keys == dataset_trie(d)->count,
         "the number of keys is that of the index");
    check_dataset(t, d);
    if ((flags & INPUT_FINISH) != 0) {
        dataset_finish(d, NULL);
        check_dataset(t, d);
        if (dataset_is_spoiled(d, NULL, &error)) {
            struct dataset *again = dataset_open_again(d, &error);
            must(again != NULL || !skip,
                 "an index that belongs to other data is replaced by a new one");
            if (again != NULL && skip)
                check_rebuilt(t, again);
            dataset_close(again);
        } else {
            must(same_file || is_like(t, claimed, false),
                 "finishing detects an index of other data");
        }
    }
    dataset_close(d);
}

static void check_file(const struct table *t, const struct memory_file *f, unsigned ways,
                       unsigned flags)
{
    struct index_file index;
    struct error error;
    if (!index_file_open(&index, f->path, &error))
        return;
    bool verified = verifier_check_all(&index.verifier, NULL, &error);
    struct identity claimed = index.facts.data;
    check_opened(&index, verified);
    if (verified && (flags & INPUT_HUGE) != 0 && index_file_copy(&index, &error))
        must(verifier_check_all(&index.verifier, NULL, &error),
             "a copy of the index has the same checksums");
    check_image(t, index.image, false);
    index_file_close(&index);
    // If a block is wrong, only the refusal is checked here. A server uses a large index before all
    // of its blocks are verified, but check_image has tried lookups in the index already.
    if (verified)
        check_served(t, f, &claimed, ways, flags);
    else
        check_refused(t, f);
}

// ---- the input ----------------------------------------------------------------------------------

static void take(struct span *from, void *to, size_t len)
{
    if (len > from->len)
        len = from->len;
    if (len > 0)
        memcpy(to, from->ptr, len);
    *from = span_of(from->ptr + len, from->len - len);
}

static void set_identity(struct identity *to, const struct identity *real, unsigned flags)
{
    if ((flags & (INPUT_TIMES | INPUT_SAMPLE)) != 0)
        to->bytes = real->bytes;
    if ((flags & INPUT_TIMES) != 0) {
        to->inode = real->inode;
        to->modified_ns = real->modified_ns;
        to->changed_ns = real->changed_ns;
    }
    if ((flags & INPUT_SAMPLE) != 0) {
        to->seed = real->seed;
        to->sample = real->sample;
    }
    if ((flags & INPUT_CONTENT) != 0)
        to->content = real->content;
}

// Makes the file for an input with INPUT_SEAL: fields and image are from the input, all else
// is computed.
static void write_sealed(const struct table *t, struct index_header *h, struct span image,
                         unsigned flags, struct buf *file)
{
    if ((flags & INPUT_FIT) != 0) {
        h->image_bytes = image.len;
        h->file_bytes = index_file_bytes(image.len);
    }
    set_identity(&h->facts.data, &t->identity, flags);
    uint64_t sums[16];
    uint64_t count = index_block_count(image.len);
    must(count <= 16 && checksum_blocks(image, INDEX_BLOCK, sums, NULL), "room for checksums");
    h->checksums_sum = checksum(span_of((const char *)sums, count * sizeof *sums));
    h->header_sum = index_header_sum(h);
    struct index_trailer trailer = {h->checksums_sum, INDEX_END};
    static const char zeros[8];
    buf_append(file, span_of((const char *)h, sizeof *h));
    buf_append(file, image);
    buf_append(file, span_of(zeros, index_checksums_at(image.len) - INDEX_IMAGE_AT - image.len));
    buf_append(file, span_of((const char *)sums, count * sizeof *sums));
    buf_append(file, span_of((const char *)&trailer, sizeof trailer));
}

static void check_file_input(const struct table *t, struct span rest, unsigned ways, unsigned flags)
{
    static struct memory_file memory = {-1, ""};
    struct index_header h = {0};
    struct buf file = {0};
    if (memory.fd < 0)
        memory_file_open(&memory);
    take(&rest, &h, INPUT_FIELDS);
    if ((flags & INPUT_SEAL) != 0) {
        write_sealed(t, &h, rest, flags, &file);
    } else if (rest.len < sizeof h.header_sum) {
        // The input is too short for a header, so the file is, too.
        buf_append(&file, span_of((const char *)&h, INPUT_FIELDS));
    } else {
        take(&rest, &h.header_sum, sizeof h.header_sum);
        buf_append(&file, span_of((const char *)&h, sizeof h));
        buf_append(&file, rest);
    }
    must(!file.oom && ftruncate(memory.fd, 0) == 0 && file_write(memory.fd, file.ptr, file.len, 0),
         "an index file in memory");
    buf_release(&file);
    check_file(t, &memory, ways, flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < INPUT_HEAD || size > 16 * INDEX_BLOCK)
        return 0;
    const unsigned ways = data[0] & (unsigned)(INPUT_SKIP | INPUT_SAMPLED);
    const struct table *t = table_of(data[0] & ~ways);
    struct span rest = {(const char *)data + INPUT_HEAD, size - INPUT_HEAD};
    unsigned flags = data[1];
    if ((flags & INPUT_IMAGE) != 0)
        check_image(t, rest, (flags & INPUT_FIT) != 0);
    else
        check_file_input(t, rest, ways, flags);
    return 0;
}
