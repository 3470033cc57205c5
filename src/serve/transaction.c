// Keeps requests as bytes, and counts how many of them EXEC has executed.
#include "serve/transaction.h"

#include <assert.h>
#include <stdlib.h>

#include "base/number.h"
#include "cluster/slot.h"

enum { WORD = 64, WORDS = SLOTS / WORD }; // bits of a word of `homes`, and the number of words

struct transaction *transaction_new(void)
{
    return calloc(1, sizeof(struct transaction));
}

void transaction_free(struct transaction *t)
{
    if (t == NULL)
        return;
    buf_release(&t->requests);
    free(t->homes);
    free(t);
}

size_t transaction_memory(const struct transaction *t)
{
    if (t == NULL)
        return 0;
    return sizeof *t + t->requests.cap + (t->homes != NULL ? WORDS * sizeof *t->homes : 0);
}

static void append_count(struct buf *b, char kind, size_t count)
{
    char text[1 + NUMBER_TEXT_MAX + 2];
    size_t len = 1 + number_format(text + 1, count);
    text[0] = kind;
    text[len++] = '\r';
    text[len++] = '\n';
    buf_append(b, span_of(text, len));
}

enum transaction_queued transaction_queue(struct transaction *t, const struct resp_request *r,
                                          size_t limit)
{
    struct buf *b = &t->requests;
    if (t->aborted)
        return TRANSACTION_QUEUED;
    append_count(b, '*', r->argc);
    for (uint32_t i = 0; i < r->argc; i++) {
        struct span arg = resp_arg(r, i);
        append_count(b, '$', arg.len);
        buf_append(b, arg);
        buf_append(b, span_of("\r\n", 2));
    }
    t->count++;
    if (b->oom)
        return TRANSACTION_NO_MEMORY;
    return b->len > limit ? TRANSACTION_TOO_LONG : TRANSACTION_QUEUED;
}

bool transaction_note_home(struct transaction *t, unsigned slot)
{
    if (t->homes == NULL)
        t->homes = calloc(WORDS, sizeof *t->homes);
    if (t->homes == NULL)
        return false;
    t->homes[slot / WORD] |= 1ull << slot % WORD;
    return true;
}

unsigned transaction_next_home(const struct transaction *t, unsigned from)
{
    unsigned slot = t->homes != NULL ? from : SLOTS;
    while (slot < SLOTS && (t->homes[slot / WORD] >> slot % WORD & 1) == 0)
        slot++;
    return slot;
}

bool transaction_advance(struct transaction *t, size_t done)
{
    if (done == 0)
        return false;
    t->at += done;
    t->left--;
    assert(t->left > 0 || t->at == t->requests.len);
    return t->left == 0;
}
