// Which threads read and write which cache lines.
//
// Programs of the flavour `sharing` are compiled for the thread sanitizer, which makes every access
// to memory a call, and linked with these functions instead of its own. What libraries and system
// calls do is not seen.
#ifndef STELE_TESTS_HOOKS_H
#define STELE_TESTS_HOOKS_H

#include <stdbool.h>

// Begins (forgetting what was seen before) or ends watching all threads that are not ignored.
void hooks_watch(bool on);

// The calling thread is not watched.
void hooks_ignore(void);

// How many lines were seen at all; how many of them one thread wrote and another accessed. The
// first few of these are told as remarks, with the places in the program (for addr2line).
unsigned hooks_lines(void);
unsigned hooks_shared(void);

#endif
