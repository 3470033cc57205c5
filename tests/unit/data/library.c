// The functions of libstele: keys as text, the result of each function, and the reasons when a file
// cannot be opened.
#include "data/stele.h"

#include <string.h>

#include "base/version.h"
#include "data/trie.h"
#include "support/server.h"
#include "support/tap.h"

enum { MANY = 3 * TRIE_GROUP + 1 };

static bool is_value(const struct stele_value *value, const char *wanted)
{
    return value->ptr != NULL && value->len == strlen(wanted) &&
           memcmp(value->ptr, wanted, value->len) == 0;
}

static void check_refused(void)
{
    char error[512] = "";
    const char *bad = test_file("bad.data", span_text("no line\n"));
    ok(stele_open("/nowhere/file", error, sizeof error) == NULL, "a missing file is not opened");
    is_text(error, "cannot open '/nowhere/file': No such file or directory",
            "a missing file: the reason");
    ok(stele_open("/nowhere/file", NULL, 0) == NULL, "`error` may be NULL");
    ok(stele_open(bad, error, sizeof error) == NULL && strstr(error, "bad.data:1: ") != NULL,
       "the reason names the malformed line");
    stele_close(NULL);
}

int main(void)
{
    static const char low[] = "00000000-0000-4000-8000-00000000000a";
    static const char high[] = "f0000000-0000-4000-8000-00000000000b";
    static const char none[] = "00000000-0000-4000-8000-000000000000";
    struct stele_value value;
    struct stele_value values[MANY];
    const char *keys[MANY];
    char key[STELE_KEY_LEN + 1];
    char error[512] = "";
    struct buf text = {0};
    buf_printf(&text, "%s b\n%s \n00000000-0000-0000-0000-000000000000 nil\n", high, low);
    struct stele *table = stele_open(test_file("table.data", buf_span(&text)), error, sizeof error);
    require(table != NULL, "%s", error);
    is_number((int64_t)stele_count(table), 3, "the number of keys");
    ok(stele_get(table, high, &value) && is_value(&value, "b"), "the value of a key");
    ok(stele_get(table, "F0000000-0000-4000-8000-00000000000B", &value) && is_value(&value, "b"),
       "the value of a key in upper case");
    ok(stele_get(table, low, &value) && is_value(&value, ""), "an empty value");
    ok(!stele_get(table, none, &value) && value.ptr == NULL, "a key that does not exist");
    ok(!stele_get(table, "x", &value) && value.ptr == NULL, "a key that is not a UUID");
    for (size_t i = 0; i < MANY; i++)
        keys[i] = i % 3 == 0 ? high : i % 3 == 1 ? none : "00000000";
    size_t hits = stele_get_many(table, keys, MANY, values);
    bool right = hits == (MANY + 2) / 3;
    for (size_t i = 0; i < MANY; i++)
        right &= i % 3 == 0 ? is_value(&values[i], "b") : values[i].ptr == NULL;
    ok(right, "many keys at once");
    is_number((int64_t)stele_seek(table, low), 1, "the rank of a key");
    is_number((int64_t)stele_seek(table, none), 1, "the rank of the next greater key");
    is_number((int64_t)stele_seek(table, "x"), 3,
              "seeking a key that is not a UUID returns the number of keys");
    ok(stele_at(table, 2, key, &value) && strcmp(key, high) == 0 && is_value(&value, "b"),
       "the last record");
    ok(!stele_at(table, 3, key, &value), "there is no record with a greater rank");
    is_text(stele_version(), STELE_VERSION, "the version");
    stele_close(table);
    buf_release(&text);
    check_refused();
    return done_testing();
}
