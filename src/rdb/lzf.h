// Expands LZF, the compression of strings in RDB dumps, in pieces.
//
// Compressed text is a sequence of items. There are two kinds: bytes that stand for themselves, and
// a reference to bytes that came up to 8 KiB before. So the last 8 KiB of the expanded text are
// enough to go on, however long it is. The format is that of LibLZF by Marc Lehmann:
//
//   000LLLLL                      the next LLLLL + 1 bytes stand for themselves
//   LLLooooo oooooooo             LLL + 2 bytes (LLL from 1 to 6) that began 1 + offset bytes ago
//   111ooooo LLLLLLLL oooooooo    9 + LLLLLLLL bytes that began 1 + offset bytes ago
#ifndef STELE_RDB_LZF_H
#define STELE_RDB_LZF_H

#include "base/bytes.h"

enum {
    LZF_WINDOW = 8 * 1024,      // bytes that a reference can reach back
    LZF_ROOM = 32 * 1024,       // bytes that are expanded at a time
    LZF_ITEM_MOST = 33,         // most compressed bytes of an item
    LZF_EXPANDED_MOST = 9 + 255 // most expanded bytes of an item
};

// The caller places it, and calls lzf_begin before each text.
struct lzf {
    size_t len; // bytes in `out`: some of the earlier ones, and the last piece
    char out[LZF_WINDOW + LZF_ROOM];
};

// Begins a text.
static inline void lzf_begin(struct lzf *l)
{
    l->len = 0;
}

// Expands complete items from the front of `*from`, and removes them from it, until there is none
// or the room is used up. Sets `*piece` to the expanded bytes, which are valid until the next call;
// there may be none. Returns false when a reference leads to before the beginning of the text.
// The caller compares lengths: what is left in `*from` when the compressed text ends is an error.
bool lzf_expand(struct lzf *l, struct span *from, struct span *piece);

#endif
