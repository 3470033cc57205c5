// Reading index files: an index that was written is mapped with the same keys and figures, and
// damage is found when the index is opened or verified.
#include "data/index_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/trie_image.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"

static const struct table table = {1, 300};
static const char *data; // path of the data file
static const char *path; // path of the index file, DATAFILE.idx
static struct buf good;  // content of the index file

// ---- round trips --------------------------------------------------------------------------------

static bool same_figures(const struct dataset_figures *a, const struct dataset_figures *b)
{
    return a->data_bytes == b->data_bytes && a->lines == b->lines && a->malformed == b->malformed &&
           a->keys == b->keys && a->duplicates == b->duplicates &&
           a->value_bytes == b->value_bytes && a->index_bytes == b->index_bytes &&
           a->build_ns == b->build_ns && a->built_at_us == b->built_at_us;
}

static void round_trip(const struct table *t, const char *name)
{
    const char *file = table_file(t, name);
    char idx[256];
    struct opened o;
    snprintf(idx, sizeof idx, "%s.idx", file);
    opened_init(&o, file, DATASET_INDEX_READ, NULL);
    ok(o.dataset != NULL && o.notices.count == 0 && table_is_served(t, o.dataset) &&
           strcmp(dataset_index_status(o.dataset), "memory") == 0,
       "%s: without an index file there is no notice", name);
    opened_close(&o);
    opened_init(&o, file, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset == NULL && strstr(o.error.text, idx) != NULL &&
           strstr(o.error.text, "No such file") != NULL,
       "%s: opening fails if only an index file may be used: %s", name, o.error.text);
    opened_close(&o);

    opened_init(&o, file, DATASET_INDEX_WRITE, NULL);
    require(o.dataset != NULL, "%s: %s", name, o.error.text);
    is_text(dataset_index_status(o.dataset), "writing", "%s: the index file is yet to be written",
            name);
    is_text(dataset_index_path(o.dataset), idx, "%s: the path of the index file", name);
    ok(!dataset_index_is_mapped(o.dataset) && !file_exists(idx),
       "%s: the index file does not exist yet", name);
    ok(table_is_served(t, o.dataset), "%s: served before the index file is written", name);
    struct dataset_figures built = *dataset_figures(o.dataset);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "%s: the index file is written", name);
    ok(notices_have(&o.notices, "wrote '") && o.notices.warnings == 0, "%s: a notice says so",
       name);
    ok(table_is_served(t, o.dataset) && same_figures(&built, dataset_figures(o.dataset)),
       "%s: served after the index file was written", name);
    ok(!dataset_index_is_mapped(o.dataset), "%s: the index was built, not mapped", name);
    opened_close(&o);

    static const enum dataset_index ways[] = {DATASET_INDEX_READ, DATASET_INDEX_ONLY,
                                              DATASET_INDEX_WRITE};
    for (unsigned i = 0; i < 6; i++) {
        bool huge = i >= 3;
        struct dataset_settings settings = {.index = ways[i % 3], .huge_pages = huge};
        opened_with(&o, file, &settings);
        ok(o.dataset != NULL && dataset_index_is_mapped(o.dataset) &&
               table_is_served(t, o.dataset) && same_figures(&built, dataset_figures(o.dataset)) &&
               o.notices.count == notices_have(&o.notices, "verified in ") &&
               o.report.figures.keys == t->count,
           "%s: mapped, way %u: the same keys and figures", name, i);
        ok(dataset_verify(o.dataset, &o.error), "%s: way %u: verified", name, i);
        dataset_finish(o.dataset, NULL);
        is_text(dataset_index_status(o.dataset), "mapped", "%s: way %u: finished", name, i);
        ok(table_is_served(t, o.dataset), "%s: way %u: served when finished", name, i);
        opened_close(&o);
    }
}

static void check_round_trips(void)
{
    static const struct {
        struct table table;
        const char *name;
    } tables[] = {
        {{2, 0}, "empty"},
        {{3, 1}, "one key"},
        {{4, 2}, "two keys"},
        {{5, 5000}, "5000 keys"},
        {{6, 240000}, "more than a block"},
    };
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++)
        round_trip(&tables[i].table, tables[i].name);
    // The image of the last table must have more than 1 MiB, or the test checks too little.
    struct stat status;
    ok(stat(test_path("more than a block.idx"), &status) == 0 &&
           status.st_size > INDEX_IMAGE_AT + INDEX_BLOCK,
       "an image of several blocks");
}

static void check_other_places(void)
{
    const char *elsewhere = test_path("elsewhere");
    const char *link = test_path("link.data");
    struct opened o;
    index_written(data, elsewhere);
    ok(file_exists(elsewhere), "an index file at another path is written");
    opened_init(&o, data, DATASET_INDEX_ONLY, elsewhere);
    ok(o.dataset != NULL && table_is_served(&table, o.dataset),
       "an index file at another path is mapped");
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_NONE, NULL);
    ok(o.dataset != NULL && !dataset_index_is_mapped(o.dataset) &&
           *dataset_index_path(o.dataset) == '\0',
       "without an index, none is read or written");
    dataset_finish(o.dataset, NULL);
    opened_close(&o);
    require(symlink(data, link) == 0, "no link");
    opened_init(&o, link, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && strcmp(dataset_index_path(o.dataset), path) == 0,
       "for a symbolic link, the index is beside the file that it leads to");
    opened_close(&o);
}

static void check_lines(void)
{
    static const char *const bad = "nonsense\n";
    struct buf text = {0};
    struct opened o;
    table_append(&table, &text); // the same lines again, as the last line of a key is served
    table_append(&table, &text);
    buf_append_text(&text, bad);
    const char *file = test_file("malformed", buf_span(&text));
    const char *index = test_path("malformed.idx");
    struct dataset_settings skip = {.malformed = DATASET_SKIP_MALFORMED,
                                    .index = DATASET_INDEX_WRITE};
    opened_init(&o, file, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset == NULL && strstr(o.error.text, "1 of 601 lines malformed") != NULL,
       "a malformed line is refused");
    opened_close(&o);
    ok(!file_exists(index) && files_beside(test_path("malformed.idx")) == 0,
       "a refused file leaves no index file");
    for (unsigned i = 0; i < 2; i++) {
        opened_with(&o, file, &skip);
        require(o.dataset != NULL, "%s", o.error.text);
        ok(dataset_index_is_mapped(o.dataset) == (i == 1),
           "malformed lines skipped: the index is mapped or built, round %u", i);
        dataset_finish(o.dataset, NULL);
        const struct dataset_figures *f = dataset_figures(o.dataset);
        ok(f->lines == 601 && f->malformed == 1 && f->duplicates == 300 && f->keys == 300 &&
               f->value_bytes == 300 * TABLE_VALUE && o.report.figures.malformed == 1,
           "malformed lines skipped: they are counted, round %u", i);
        ok(table_is_served(&table, o.dataset),
           "malformed lines skipped: the others are served, round %u", i);
        opened_close(&o);
    }
    ok(file_exists(index), "an index file without malformed lines is written");
    for (unsigned i = 0; i < 2; i++) {
        opened_init(&o, file, i == 0 ? DATASET_INDEX_WRITE : DATASET_INDEX_READ, NULL);
        ok(o.dataset == NULL && strstr(o.error.text, "1 of 601 lines malformed") != NULL &&
               strstr(o.report.malformed[0], "malformed:601: ") != NULL &&
               notices_have(&o.notices, "was built by skipping malformed lines"),
           "it is not used when malformed lines are refused");
        opened_close(&o);
    }
    ok(file_exists(index), "a refused file leaves the index file unchanged");
    opened_init(&o, file, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset == NULL && strstr(o.error.text, "was built by skipping malformed lines") != NULL,
       "it is not used when malformed lines are refused and no index may be built");
    opened_close(&o);
    buf_release(&text);
}

// ---- large images
// Damages each of several blocks; the last block is shorter than the others.
static void check_blocks(void)
{
    const struct table large = {6, 240000}; // the table of check_round_trips
    const char *file = test_path("more than a block");
    const char *index = test_path("more than a block.idx");
    struct buf content = file_content(index);
    uint64_t image = forge_header(&content)->image_bytes;
    const uint64_t places[] = {0, INDEX_BLOCK - 1, INDEX_BLOCK, image - 1};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        struct opened o;
        char flipped = (char)(content.ptr[INDEX_IMAGE_AT + places[i]] ^ 0x10);
        file_patch(index, INDEX_IMAGE_AT + places[i], span_of(&flipped, 1));
        opened_init(&o, file, DATASET_INDEX_READ, NULL);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "damaged: block %u of ",
                 (unsigned)(places[i] / INDEX_BLOCK));
        ok(o.dataset != NULL && !dataset_index_is_mapped(o.dataset) &&
               notices_have(&o.notices, wanted) && table_is_served(&large, o.dataset),
           "byte %llu of the image damaged", (unsigned long long)places[i]);
        opened_close(&o);
        file_patch(index, INDEX_IMAGE_AT + places[i],
                   span_of(content.ptr + INDEX_IMAGE_AT + places[i], 1));
    }
    buf_release(&content);
}

// An image that is too large to be compared before the first answer. Most of it is a hole in the
// file.
static void check_late_blocks(void)
{
    enum { IMAGE = 257 * 1024 * 1024 };
    const char *index = test_path("late.idx");
    struct buf file = {0};
    struct opened o;
    atomic_bool cancel = true;
    forge_copy(&file, &good);
    forge_header(&file)->image_bytes = IMAGE;
    uint64_t image_bytes = IMAGE;
    memcpy(file.ptr + INDEX_IMAGE_AT + offsetof(struct trie_header, image_bytes), &image_bytes, 8);
    memset(file.ptr + INDEX_IMAGE_AT + forge_header(&good)->image_bytes, 0, 32);
    forge_seal(&file);
    struct buf head = {0};
    buf_append(&head, span_of(file.ptr, 65536));
    struct span tail =
        span_of(file.ptr + index_checksums_at(IMAGE), file.len - index_checksums_at(IMAGE));
    forge_write(index, &head);
    file_resize(index, file.len);
    file_patch(index, index_checksums_at(IMAGE), tail);

    opened_init(&o, data, DATASET_INDEX_READ, index);
    require(o.dataset != NULL, "%s", o.error.text);
    ok(dataset_index_is_mapped(o.dataset) && table_is_served(&table, o.dataset),
       "a large image is served");
    is_text(dataset_index_status(o.dataset), "verifying",
            "a large image: status before it is verified");
    dataset_finish(o.dataset, &cancel);
    is_text(dataset_index_status(o.dataset), "verifying",
            "a large image: status when verifying was cancelled");
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_READ, index);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped",
            "a large image: status when it was verified");
    ok(notices_have(&o.notices, "verified '"), "a large image: a notice says so");
    opened_close(&o);

    file_patch(index, IMAGE - 5, SPAN("x"));
    opened_init(&o, data, DATASET_INDEX_WRITE, index);
    ok(o.dataset != NULL && dataset_index_is_mapped(o.dataset),
       "a large image with damage at its end is opened");
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "damaged", "dataset_finish finds the damage");
    ok(dataset_is_spoiled(o.dataset, NULL, &o.error) &&
           strstr(o.error.text, "damaged: block 4111 of 4112 differs from its checksum") != NULL,
       "dataset_is_spoiled gives the reason: %s", o.error.text);
    struct dataset *again = dataset_open_again(o.dataset, &o.error);
    require(again != NULL, "%s", o.error.text);
    dataset_finish(again, NULL);
    ok(!dataset_index_is_mapped(again) && is_proven(again) && table_is_served(&table, again),
       "dataset_finished builds a new index, serves it and writes it");
    dataset_close(again);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_ONLY, index);
    ok(o.dataset != NULL && dataset_figures(o.dataset)->index_bytes < 1 << 20,
       "the new index file replaces the damaged one");
    opened_close(&o);
    buf_release(&file);
    buf_release(&head);
}

// verifier_check_all and index_file_copy without a dataset.
static void check_parts(void)
{
    struct index_file f;
    struct error error = {""};
    atomic_bool cancel = false;
    forge_write(path, &good);
    require(index_file_open(&f, path, &error), "%s", error.text);
    ok(verifier_check_all(&f.verifier, &cancel, &error), "all blocks are good");
    struct buf before = {0};
    buf_append(&before, f.image);
    const char *mapped = f.image.ptr;
    ok(index_file_copy(&f, &error) && f.image.ptr != mapped &&
           span_equal(f.image, buf_span(&before)),
       "a copy has the same bytes");
    ok(verifier_check_all(&f.verifier, NULL, &error) && verifier_is_complete(&f.verifier),
       "all blocks of a copy are good");
    index_file_close(&f);
    require(index_file_open(&f, path, &error) && index_file_copy(&f, &error), "%s", error.text);
    f.copy.ptr[f.copy.len / 2] ^= 1;
    ok(!verifier_check_all(&f.verifier, &cancel, &error) &&
           strstr(error.text, "block 0 of 1") != NULL,
       "the verifier reads the copy");
    index_file_close(&f);
    require(index_file_open(&f, path, &error), "%s", error.text);
    atomic_store(&cancel, true);
    ok(verifier_check_all(&f.verifier, &cancel, &error) && !verifier_is_complete(&f.verifier),
       "cancelled before a bad block was found");
    index_file_close(&f);
    ok(f.image.ptr == NULL && f.mapping.ptr == NULL && f.copy.ptr == NULL,
       "a closed file is zeroed");
    index_file_close(&f);
    errno = 0;
    ok(!index_file_open(&f, test_path("none"), &error) && errno == ENOENT,
       "a missing file: errno is ENOENT");
    errno = ENOENT;
    ok(!index_file_open(&f, test_folder(), &error) && errno != ENOENT,
       "a folder: errno is not ENOENT");
    buf_release(&before);
}

int main(void)
{
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    index_written(data, NULL);
    good = file_content(path);
    require(good.len > INDEX_IMAGE_AT, "no index file");
    check_round_trips();
    check_other_places();
    check_lines();
    check_blocks();
    check_late_blocks();
    check_parts();
    buf_release(&good);
    return done_testing();
}
