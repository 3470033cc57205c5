// Tests the backlog: bytes that are added in pieces of random sizes are taken in the same order,
// and the memory stays in proportion to the bytes.
#include "net/backlog.h"

#include <stdlib.h>

#include "support/tap.h"

enum { KiB = 1024, MiB = 1024 * 1024, LARGEST = 16 * MiB, ROUNDS = 4000 };

static unsigned char byte_at(size_t position)
{
    return (unsigned char)(position * 2654435761u >> 24);
}

// Adds up to `most` bytes with one call and returns their number.
static size_t add(struct backlog *b, size_t position, size_t most)
{
    struct bytes room = backlog_room(b, most);
    require(room.ptr != NULL && room.len > 0 && room.len <= most, "no room");
    for (size_t i = 0; i < room.len; i++)
        room.ptr[i] = (char)byte_at(position + i);
    backlog_add(b, room.len);
    return room.len;
}

// Takes up to `most` bytes, compares them, and returns their number.
static size_t take(struct backlog *b, size_t position, size_t most, bool *right)
{
    char *bytes = malloc(most + 1);
    require(bytes != NULL, "no memory");
    size_t count = backlog_take(b, bytes, most);
    for (size_t i = 0; i < count; i++)
        *right &= (unsigned char)bytes[i] == byte_at(position + i);
    free(bytes);
    return count;
}

// Returns true when the backlog uses little more memory than its bytes need.
static bool is_lean(const struct backlog *b)
{
    return b->len == 0 ? b->memory == 0 && b->first == NULL
                       : b->memory <= b->len + b->len / 2 + 36 * KiB;
}

static void check_random(struct random *r)
{
    struct backlog b = {0};
    size_t added = 0, taken = 0;
    bool right = true, counted = true;
    for (unsigned i = 0; i < ROUNDS; i++) {
        // The backlog grows for 1000 rounds, then shrinks for 1000.
        bool grows = i / 1000 % 2 == 0;
        if (random_below(r, 4) != 0 ? grows : !grows)
            added += add(&b, added, 1 + random_below(r, 70 * KiB));
        else
            taken += take(&b, taken, random_below(r, 70 * KiB), &right);
        counted &= b.len == added - taken;
    }
    while (b.len > 0)
        taken += take(&b, taken, 14 * KiB, &right);
    ok(right, "%zu bytes are taken as they were added", added);
    ok(counted && taken == added, "the length counts the bytes");
    ok(is_lean(&b), "an emptied backlog holds no memory");
}

static void check_memory(void)
{
    struct backlog b = {0};
    bool lean = true, right = true;
    backlog_room(&b, 1);
    backlog_add(&b, 0);
    ok(is_lean(&b), "adding 0 bytes to an empty backlog leaves no memory");
    size_t added = add(&b, 0, 1);
    is_number((int64_t)b.memory, 16 * KiB, "one byte takes 16 KiB");
    while (b.len < LARGEST) {
        added += add(&b, added, 64 * KiB);
        lean &= is_lean(&b) && b.memory <= b.len + b.len / 4 + 16 * KiB;
    }
    ok(lean, "a growing backlog takes at most a quarter more than its bytes");
    lean = true;
    for (size_t taken = 0; taken < added;) {
        taken += take(&b, taken, 14 * KiB, &right);
        lean &= b.memory <= b.len + 2 * MiB && (b.len > 0 || b.memory == 0);
    }
    ok(right && lean, "taking bytes frees their memory");
    add(&b, 0, 1);
    backlog_release(&b);
    ok(is_lean(&b), "a released backlog holds no memory");
}

int main(void)
{
    struct random r = random_seeded();
    check_random(&r);
    check_memory();
    return done_testing();
}
