// Fault F8 (docs/faults.md): an index file that is damaged, or of another byte order or version.
// Whatever the file holds, the server refuses it with a reason, builds the index again, and never
// serves from it.
#include <stdlib.h>

#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

static const struct table table = {1, 300};
static const char *data; // path of the data file
static const char *path; // path of the index file, DATAFILE.idx
static struct buf good;  // content of the sound index file

// Changes the index file so that its times prove it, although the data is younger than 2 seconds.
// So it is not verified when it is opened.
static void prove_good(void)
{
    struct index_header *h = forge_header(&good);
    h->facts.data.read_ns += INT64_C(3600) * 1000000000;
    forge_seal_header(&good);
    forge_write(path, &good);
}

// How much is_handled checks. REWRITTEN takes an fsync or two.
enum effort {
    OPENED,    // the file is refused or used, as expected
    SERVED,    // and the data is served right, without the file if it is refused
    REWRITTEN, // and a refused file has been replaced by a sound one
};

// Whether the changed file at `path` is handled as expected. It must be refused with a message that
// contains `reason`. If `reason` is NULL, the change may be harmless, and the file may be used.
static bool is_handled(const char *reason, enum effort effort)
{
    struct opened o;
    bool right = true;
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    if (o.dataset == NULL) {
        right = strstr(o.error.text, path) != NULL &&
                (reason == NULL || strstr(o.error.text, reason) != NULL);
    } else {
        right = reason == NULL && table_is_served(&table, o.dataset);
        dataset_finish(o.dataset, NULL);
        right = right && table_is_served(&table, o.dataset);
    }
    if (!right)
        diag("wanted '%s', got '%s'", reason != NULL ? reason : "(harmless)", o.error.text);
    bool refused = o.dataset == NULL;
    opened_close(&o);
    if (effort == OPENED)
        return right && refused == (reason != NULL);
    opened_init(&o, data, effort == REWRITTEN ? DATASET_INDEX_WRITE : DATASET_INDEX_READ, NULL);
    right = right && o.dataset != NULL && o.notices.warnings == 0;
    if (o.dataset != NULL) {
        right = right && dataset_index_is_mapped(o.dataset) == !refused &&
                (!refused ||
                 notices_have(&o.notices, effort == REWRITTEN ? ": building\n" : ": not used\n"));
        dataset_finish(o.dataset, NULL);
        right = right && is_proven(o.dataset) == (effort == REWRITTEN || !refused) &&
                table_is_served(&table, o.dataset);
    }
    opened_close(&o);
    if (effort != REWRITTEN)
        return right;
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    right = right && o.dataset != NULL && (!refused || dataset_verify(o.dataset, &o.error));
    opened_close(&o);
    return right;
}

static const struct field {
    const char *name;
    size_t at;
    unsigned bytes;
    // The reason that is reported when the field has another value and all checksums are right.
    // NULL: any reason, or the file is accepted.
    const char *reason;
} fields[] = {
    {"magic", 0, 8, NULL},
    {"byte order", 8, 4, "has another byte order"},
    {"version", 12, 4, "has another version"},
    {"features", 16, 8, "needs features that this version does not support"},
    {"file bytes", 24, 8, "has another size than its header says"},
    {"image bytes", 32, 8, NULL},
    {"checksums' checksum", 40, 8, "has a damaged table of checksums"},
    {"lines", 48, 8, "contradicts itself"},
    {"malformed", 56, 8, "contradicts itself"},
    {"keys", 64, 8, "contradicts itself"},
    {"duplicates", 72, 8, "contradicts itself"},
    {"value bytes", 80, 8, NULL},
    {"build time", 88, 8, NULL},
    {"built at", 96, 8, NULL},
    {"data: bytes", 104, 8, NULL},
    {"data: inode", 112, 8, NULL},
    {"data: modified", 120, 8, NULL},
    {"data: changed", 128, 8, NULL},
    {"data: read", 136, 8, NULL},
    {"data: sample", 144, 8, NULL},
    {"data: content", 152, 8, NULL},
    {"first zeros", 160, 8, NULL},
    {"last zeros", 4080, 8, NULL},
};

static void check_header(void)
{
    struct buf file = {0};
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *field = &fields[i];
        uint64_t now = 0;
        memcpy(&now, good.ptr + field->at, field->bytes);
        const uint64_t values[] = {
            0, UINT64_MAX, now + 1, now - 1, INT64_MAX, (uint64_t)INT64_MIN, ~now, now << 32,
        };
        bool handled = true;
        for (unsigned sealed = 0; sealed < 2 && handled; sealed++) {
            for (unsigned j = 0; j < sizeof values / sizeof *values && handled; j++) {
                forge_copy(&file, &good);
                memcpy(file.ptr + field->at, &values[j], field->bytes);
                if (memcmp(file.ptr, good.ptr, file.len) == 0)
                    continue;
                if (sealed)
                    forge_seal_header(&file);
                forge_write(path, &file);
                const char *unsealed = i < 3 ? field->reason : "has a damaged header";
                handled =
                    is_handled(sealed ? field->reason : unsealed, j == sealed ? REWRITTEN : SERVED);
                if (!handled)
                    diag("%s: value %u, %s", field->name, j, sealed ? "sealed" : "not sealed");
            }
        }
        ok(handled, "the header's %s changed", field->name);
    }
    buf_release(&file);
}

// Returns a number of image bytes near 2^64. With it, the offsets of all parts overflow and wrap
// around, and the file seems to have the length `file_bytes`.
static uint64_t wrapping_bytes(uint64_t file_bytes)
{
    uint64_t image_bytes = -(UINT64_C(1) << 47);
    for (unsigned i = 0; i < 100 && index_file_bytes(image_bytes) != file_bytes; i++)
        image_bytes += file_bytes - index_file_bytes(image_bytes);
    require(index_file_bytes(image_bytes) == file_bytes, "no number of bytes wraps");
    return image_bytes;
}

// Changes several fields of the header so that their sums are still right.
static void check_contradictions(void)
{
    struct buf file = {0};
    for (unsigned i = 0; i < 11; i++) {
        forge_copy(&file, &good);
        struct index_header *h = forge_header(&file);
        const char *reason = "contradicts itself";
        switch (i) {
        case 0:
            h->facts.keys++, h->facts.lines++,
                reason = "header and image have different numbers of keys";
            break;
        case 1:
            h->facts.keys--, h->facts.duplicates++,
                reason = "header and image have different numbers of keys";
            break;
        case 2:
            h->facts.malformed = h->facts.lines + 1,
            h->facts.duplicates = UINT64_MAX - h->facts.keys;
            break;
        case 3:
            h->facts.keys = UINT64_MAX, h->facts.duplicates += 301; // sums that wrap
            break;
        case 4: h->facts.value_bytes = h->facts.data.bytes + 1; break;
        case 5:
            h->facts.malformed = 1, h->facts.lines++,
            reason = "was built by skipping malformed lines";
            break;
        case 6:
            h->image_bytes += 8, reason = "is damaged: index header contradicts";
            forge_seal(&file);
            break;
        case 7:
            h->image_bytes -= 8, reason = "is damaged: index header contradicts";
            forge_seal(&file);
            break;
        case 8:
            h->image_bytes = 0, reason = "is damaged: index of 0 bytes is too short";
            forge_seal(&file);
            break;
        case 9: // a number of bytes with which the length of the file wraps around to the right one
            h->image_bytes = wrapping_bytes(h->file_bytes);
            break;
        default: h->facts.data.bytes++, reason = "bytes of data, not"; break;
        }
        forge_seal_header(&file);
        forge_write(path, &file);
        ok(is_handled(reason, REWRITTEN), "a header with right sums, %u: %s", i, reason);
    }
    forge_copy(&file, &good);
    memset(file.ptr + file.len - 8, 0, 8);
    forge_write(path, &file);
    ok(is_handled("has a damaged table of checksums", REWRITTEN), "no trailer");
    forge_copy(&file, &good);
    file.ptr[file.len - 9] ^= 1;
    forge_write(path, &file);
    ok(is_handled("has a damaged table of checksums", REWRITTEN),
       "another checksum in the trailer");
    forge_copy(&file, &good);
    for (unsigned i = 0; i < 2; i++) // swap the bytes, as a machine of the other byte order would
        for (size_t j = 0; j < 4; j++) {
            char c = file.ptr[i * 8 + j];
            size_t width = i == 0 ? 8 : 4;
            if (j < width / 2) {
                file.ptr[i * 8 + j] = file.ptr[i * 8 + width - 1 - j];
                file.ptr[i * 8 + width - 1 - j] = c;
            }
        }
    forge_write(path, &file);
    ok(is_handled("has another byte order", REWRITTEN),
       "a file of a machine of the other byte order");
    buf_release(&file);
}

static void check_flips(struct random *r)
{
    struct buf file = {0};
    struct index_header *h = forge_header(&good);
    size_t pad_from = INDEX_IMAGE_AT + h->image_bytes;
    size_t pad_to = index_checksums_at(h->image_bytes);
    size_t unseen = 0;
    forge_copy(&file, &good);
    forge_write(path, &good);
    for (size_t at = 0; at < file.len; at++) {
        char flipped = (char)(good.ptr[at] ^ (char)(1 << random_below(r, 8)));
        file_patch(path, at, span_of(&flipped, 1));
        bool padding = at >= pad_from && at < pad_to; // its content does not matter
        if (!is_handled(padding ? NULL : "", OPENED)) {
            diag("byte %zu of %zu", at, file.len);
            unseen++;
        }
        file_patch(path, at, span_of(good.ptr + at, 1));
    }
    is_number((int64_t)unseen, 0, "each of %zu bytes changed: refused", file.len);
    size_t wrong = 0;
    for (unsigned i = 0; i < 60; i++) {
        size_t at =
            i < 20 ? INDEX_IMAGE_AT + random_below(r, h->image_bytes) : random_below(r, pad_from);
        char flipped = (char)(good.ptr[at] ^ (char)(1 << random_below(r, 8)));
        forge_write(path, &good);
        file_patch(path, at, span_of(&flipped, 1));
        wrong += !is_handled("", REWRITTEN);
    }
    is_number((int64_t)wrong, 0, "damaged files are rebuilt");
    // If all checksums fit the damage, keys may be missed, but no wrong value is returned.
    wrong = 0;
    for (size_t at = INDEX_IMAGE_AT; at < pad_from; at++) {
        struct opened o;
        forge_copy(&file, &good);
        file.ptr[at] = (char)(file.ptr[at] ^ (char)(1 << random_below(r, 8)));
        forge_seal(&file);
        forge_write(path, &file);
        opened_init(&o, data, DATASET_INDEX_READ, NULL);
        wrong += o.dataset == NULL || !table_is_not_mistaken(&table, o.dataset);
        opened_close(&o);
    }
    is_number((int64_t)wrong, 0, "each byte of a forged image changed: no wrong answer");
    buf_release(&file);
}

static void check_lengths(struct random *r)
{
    size_t wrong = 0;
    size_t checked = 0;
    forge_write(path, &good);
    for (size_t len = good.len; len-- > 0;) {
        bool near = len % 4096 < 9 || len > good.len - 64;
        if (!near && random_below(r, 8) != 0)
            continue;
        file_resize(path, len);
        wrong += !is_handled(len < 4096 ? "is too short for its header"
                                        : "has another size than its header says",
                             OPENED);
        checked++;
    }
    is_number((int64_t)wrong, 0, "%zu lengths too short: refused", checked);
    ok(is_handled("is too short for its header", REWRITTEN), "an empty file is rebuilt");
    static const size_t more[] = {1, 7, 8, 4096, 1 << 20};
    for (unsigned i = 0; i < sizeof more / sizeof *more; i++) {
        forge_write(path, &good);
        file_resize(path, good.len + more[i]);
        ok(is_handled("has another size than its header says", REWRITTEN), "%zu bytes too long",
           more[i]);
    }
    struct buf file = {0};
    forge_copy(&file, &good);
    memset(file.ptr, 0xff, file.len);
    forge_write(path, &file);
    ok(is_handled("is not an index file", REWRITTEN), "all ones");
    memset(file.ptr, 0, file.len);
    forge_write(path, &file);
    ok(is_handled("is not an index file", REWRITTEN), "all zeros");
    buf_release(&file);
}

// What an operator sees: one line in the log, no warning, and a sound index file in the end.
static void check_servers(void)
{
    static const struct {
        const char *what, *reason;
    } cases[] = {
        {"empty", "is too short for its header"}, {"cut", "has another size than its header says"},
        {"all ones", "is not an index file"},     {"the other byte order", "byte order"},
        {"an older version", "another version"},  {"a newer version", "another version"},
        {"a bit flipped", "is damaged: "},
    };
    struct buf file = {0};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        forge_copy(&file, &good);
        struct index_header *h = forge_header(&file);
        switch (i) {
        case 0: file.len = 0; break;
        case 1: file.len -= 8; break;
        case 2: memset(file.ptr, 0xff, file.len); break;
        case 3: h->byte_order = __builtin_bswap32(h->byte_order); break;
        case 4: h->version--; break;
        case 5: h->version++; break;
        default: file.ptr[INDEX_IMAGE_AT + 700] ^= 4; break;
        }
        if (i >= 3 && i <= 5)
            forge_seal_header(&file);
        forge_write(path, &file);
        for (unsigned start = 0; start < 2; start++) {
            struct server_process s = server_start(data, NULL);
            if (start == 0)
                log_await(s.log_path, " * wrote '");
            ok(server_answers(s.port, &table), "a server beside an index that is %s, start %u",
               cases[i].what, start);
            struct buf log = file_content(s.log_path);
            is_number(occurrences(buf_span(&log), cases[i].reason), start == 0,
                      "the log says why once");
            is_number(occurrences(buf_span(&log), ": building\n"), start == 0,
                      "the index is built once");
            buf_release(&log);
            is_number(log_warnings(s.log_path), 0, "there is no warning");
            is_number(server_stop(&s), 0, "the server ends well");
        }
    }
    buf_release(&file);
}

int main(void)
{
    struct random r = random_seeded();
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    index_written(data, NULL);
    good = file_content(path);
    require(good.len > INDEX_IMAGE_AT, "no index file");
    prove_good();
    check_header();
    check_contradictions();
    check_flips(&r);
    check_lengths(&r);
    check_servers();
    buf_release(&good);
    return done_testing();
}
