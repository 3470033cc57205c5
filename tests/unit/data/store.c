// Tests of data/store.h: names, times, manifests that are good, cut or wrong, and the links and
// files of a store.
#include "data/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

static const char sum[] = "0123456789abcdef0123456789abcdef";

static void check_names(void)
{
    static const char *const good[] = {"20261128T020000Z", "v1", "a.b_c-D", "-"};
    static const char *const bad[] = {"", ".", "..", ".new", "a/b", "a b", "a\n", "\xc3\xa4"};
    char longest[STORE_NAME_MAX + 2];
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
        ok(store_name_is_good(good[i]), "'%s' is a name", good[i]);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(!store_name_is_good(bad[i]), "bad name %u", i);
    memset(longest, 'x', sizeof longest);
    longest[STORE_NAME_MAX + 1] = '\0';
    ok(!store_name_is_good(longest), "65 bytes are too many");
    longest[STORE_NAME_MAX] = '\0';
    ok(store_name_is_good(longest), "64 bytes are not");
}

static void check_times(void)
{
    static const char *const bad[] = {
        "",    "2026", "2026-11-28 02:00:00Z",  "2026-11-28T02:00:00", "2026-02-30T00:00:00Z", "@",
        "@-1", "@1x",  "2026-11-28T02:00:00Zx", "2026-1-2T02:00:00Z"};
    char text[STORE_TIME_TEXT_MAX];
    int64_t seconds = 0;
    ok(store_time_parse("2026-11-28T02:00:00Z", &seconds) && seconds == 1795831200,
       "a time is read: %lld", (long long)seconds);
    ok(store_time_parse("@86400", &seconds) && seconds == 86400, "seconds are read");
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(!store_time_parse(bad[i], &seconds), "'%s' is no time", bad[i]);
    store_time_format(1795831200, text);
    is_text(text, "2026-11-28T02:00:00Z", "a time is written");
    store_time_name(1795831200, text);
    is_text(text, "20261128T020000Z", "a name is made of it");
}

static struct store_manifest sample(void)
{
    struct store_manifest m = {.version = "v2",
                               .previous = "v1",
                               .made_at = 1795831200,
                               .published_at = 1795831260,
                               .bytes = 12345678901,
                               .lines = 1000,
                               .keys = 990,
                               .duplicates = 10,
                               .value_bytes = 5000};
    memcpy(m.checksum, sum, sizeof sum);
    return m;
}

// Writes a text as the manifest of v2, and reads it.
static bool read_back(const char *store, struct span text, struct store_manifest *m,
                      struct error *error)
{
    char path[512];
    *error = (struct error){""};
    require(store_path(store, "v2", STORE_MANIFEST, path, sizeof path, error), "%s", error->text);
    FILE *file = fopen(path, "w");
    require(file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len && fclose(file) == 0,
            "cannot write %s", path);
    return store_manifest_read(store, "v2", m, error);
}

// Whether two manifests say the same. Their bytes may differ between the fields.
static bool same(const struct store_manifest *a, const struct store_manifest *b)
{
    struct buf texts[2] = {{0}, {0}};
    store_manifest_format(a, span_text(""), &texts[0]);
    store_manifest_format(b, span_text(""), &texts[1]);
    bool equal =
        texts[0].len == texts[1].len && memcmp(texts[0].ptr, texts[1].ptr, texts[0].len) == 0;
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    return equal;
}

static void refused(const char *store, const char *text, const char *why)
{
    struct store_manifest m;
    struct error error;
    bool good = read_back(store, span_text(text), &m, &error);
    ok(!good && strstr(error.text, why) != NULL, "refused: %s", error.text);
}

static void check_manifests(const char *store)
{
    struct store_manifest m = sample();
    struct store_manifest read;
    struct error error;
    struct buf text = {0};
    store_manifest_format(&m, span_text(""), &text);
    ok(read_back(store, buf_span(&text), &read, &error), "a manifest is read: %s", error.text);
    ok(same(&m, &read), "it says what was written");
    unsigned accepted = 0;
    for (size_t len = 0; len < text.len; len++)
        accepted += read_back(store, span_of(text.ptr, len), &read, &error);
    is_number(accepted, 0, "none of %zu beginnings of it is accepted", text.len);
    for (size_t i = 0; i < text.len; i++) {
        text.ptr[i] = (char)(text.ptr[i] ^ 0x40);
        accepted += read_back(store, buf_span(&text), &read, &error) && same(&m, &read);
        text.ptr[i] = (char)(text.ptr[i] ^ 0x40);
    }
    is_number(accepted, 0, "no changed byte goes unnoticed");
    text.len = 0;
    store_manifest_format(&m, span_text("colour blue\nshape \n"), &text);
    ok(read_back(store, buf_span(&text), &read, &error) && same(&m, &read),
       "further lines are skipped");
    buf_append_text(&text, "more 1\n");
    ok(!read_back(store, buf_span(&text), &read, &error), "a line after the end: %s", error.text);
    buf_release(&text);
    m.previous[0] = '\0';
    memcpy(m.version, "v3", 3);
    store_manifest_format(&m, span_text(""), &text);
    ok(!read_back(store, buf_span(&text), &read, &error) &&
           strstr(error.text, "it is the manifest of version v3") != NULL,
       "the manifest of another version: %s", error.text);
    buf_release(&text);
    refused(store, "", "it is incomplete");
    refused(store, "stele-split 1\n", "not a manifest of a store");
    refused(store, "stele-version 1\nkeys -1\nend\n", "manifest:2: not a number");
    refused(store, "stele-version 1\nkeys 1\nkeys 1\nend\n", "manifest:3: is given twice");
    refused(store, "stele-version 1\nversion ../x\nend\n", "manifest:2: not the name");
    refused(store, "stele-version 1\nmade-at now\nend\n", "manifest:2: not a time");
    refused(store, "stele-version 1\nxxh3-128 12\nend\n", "manifest:2: not a checksum");
    refused(store, "stele-version 1\nkeys\nend\n", "manifest:2: must be a name");
    refused(store, "stele-version 1\nend\n", "it is incomplete");
}

static void check_store(const char *store)
{
    char name[STORE_NAME_MAX + 1];
    char path[512];
    struct error error = {""};
    struct store_manifest m;
    mkdir(store, 0700);
    ok(!store_is_store(store), "an empty folder is no store");
    snprintf(path, sizeof path, "%s/versions", store);
    mkdir(path, 0700);
    ok(store_is_store(store), "a folder with versions is one");
    ok(!store_current(store, name, &error) && strstr(error.text, "publish one") != NULL,
       "there is no current version: %s", error.text);
    ok(store_pinned(store, name, &error) && *name == '\0', "there is no pin");
    ok(!store_manifest_read(store, "v2", &m, &error) && errno == ENOENT, "there is no manifest: %s",
       error.text);
    snprintf(path, sizeof path, "%s/versions/v2", store);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/current", store);
    static const char *const bad[] = {
        "versions/",
        "versions/.x",
        "versions/a/b",
        "/etc",
        "elsewhere",
        ("versions/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaa")};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        require(symlink(bad[i], path) == 0, "no link");
        ok(!store_current(store, name, &error), "current leads elsewhere: %s", error.text);
        unlink(path);
    }
    require(symlink("versions/v2", path) == 0, "no link");
    ok(store_current(store, name, &error) && strcmp(name, "v2") == 0, "the current version");
    static const struct {
        struct span text;
        bool good;
    } pins[] = {{BYTES("v2\n"), true},   {BYTES("v2"), false},      {BYTES(""), false},
                {BYTES("\n"), false},    {BYTES("v2\n\n"), false},  {BYTES("a/b\n"), false},
                {BYTES("v\0\n"), false}, {BYTES("v2\nv1\n"), false}};
    snprintf(path, sizeof path, "%s/pin", store);
    for (unsigned i = 0; i < sizeof pins / sizeof *pins; i++) {
        FILE *file = fopen(path, "w");
        require(file != NULL &&
                    fwrite(pins[i].text.ptr, 1, pins[i].text.len, file) == pins[i].text.len &&
                    fclose(file) == 0,
                "cannot write");
        is_number(store_pinned(store, name, &error), pins[i].good, "pin %u", i);
    }
}

int main(void)
{
    const char *store = test_path("store");
    check_names();
    check_times();
    check_store(store);
    check_manifests(store);
    return done_testing();
}
