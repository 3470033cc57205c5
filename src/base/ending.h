// The end of a program by a signal: at once, and without leaving behind what was made for the time
// being (a temporary file, a socket).
//
// The kernel drops a signal without a handler when it is for process 1 of a container, whose
// default action there is none. So programs that may run there need a handler from the start.
#ifndef STELE_BASE_ENDING_H
#define STELE_BASE_ENDING_H

#include <signal.h>
#include <sys/stat.h>

// From here on SIGTERM, SIGINT, SIGQUIT and SIGHUP first remove what is registered, then end the
// process as they do by default; process 1, whom they do not end, exits with status 128 and the
// number of the signal, as a shell tells of it. One that is ignored (nohup, a shell's `&`) stays
// ignored. A program may give a signal another handler later.
void ending_catch(void);

// Has the file at `path` removed, whose status is `status`, unless another one has its name by
// then. The number to say ending_keeps with; 0 when there is no room for so long a path or so many
// files: it is then not removed.
unsigned ending_removes(const char *path, const struct stat *status);

// Keeps these signals from the calling thread until ending_go_on: a file that is made in between
// can be registered before one comes. `before` is the caller's, for the latter.
void ending_wait(sigset_t *before);
void ending_go_on(const sigset_t *before);

// It is gone, or is to stay. 0 is accepted.
void ending_keeps(unsigned number);

// Removes what is registered, as a signal would: for a program that ends while a thread of it is
// held up.
void ending_clean(void);

#endif
