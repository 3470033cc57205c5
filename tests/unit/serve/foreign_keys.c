// Tests of serve/foreign_keys.h: every line of a text of several parts is counted once, and data
// that does not fit into memory is looked at.
#include "serve/foreign_keys.h"

#include <stdio.h>

#include "base/error.h"
#include "cluster/slot.h"
#include "data/dataset.h"
#include "support/cluster.h"
#include "support/table.h"
#include "support/tap.h"

static const char topology[] = "epoch 1\nshard 0-8191\nnode a h:1\nshard 8192-16383\nnode b h:2\n";
static const struct table table = {7, 50000}; // more than one part of the text

int main(void)
{
    static atomic_bool cancel;
    struct error error = {""};
    struct buf text = {0};
    table_append(&table, &text);
    // The last line has no newline, and a malformed one is no key.
    buf_append_text(&text, "no key\n00000000-0000-4000-8000-000000000000 last");
    struct dataset *d =
        dataset_open_memory(buf_span(&text), "text", DATASET_SKIP_MALFORMED, NULL, &error);
    require(d != NULL, "%s", error.text);
    int64_t high = 0;
    for (unsigned i = 0; i < table.count; i++)
        high += slot_of_uuid(table_key(&table, i)) >= 8192;
    int64_t low = (int64_t)table.count + 1 - high; // the slot of the last line is 2261

    struct cluster_view *a = view_of(span_text(topology), 0, true);
    struct cluster_view *b = view_of(span_text(topology), 1, true);
    ok(text.len > 2 * 1024 * 1024, "the text has several parts: %zu bytes", text.len);
    is_number(foreign_keys_count(d, a, UINT64_MAX, &cancel), high,
              "keys that are not the first shard's");
    is_number(foreign_keys_count(d, b, UINT64_MAX, &cancel), low,
              "keys that are not the second shard's");
    int64_t estimate = foreign_keys_count(d, a, 1, &cancel);
    ok(estimate > high * 8 / 10 && estimate < high * 12 / 10, "an estimate of %lld: %lld",
       (long long)high, (long long)estimate);
    atomic_store(&cancel, true);
    is_number(foreign_keys_count(d, a, 1, &cancel), -1, "an estimate, cancelled");
    is_number(foreign_keys_count(d, a, UINT64_MAX, &cancel), -1, "cancelled");
    cluster_view_close(a);
    cluster_view_close(b);
    dataset_close(d);
    buf_release(&text);
    return done_testing();
}
