// The end of a program by a signal: at once, and without leaving temporary files or sockets.
//
// In a container, process 1 has no default action for signals: the kernel drops a signal that has
// no handler. So a program that may run there needs handlers from its start.
#ifndef STELE_BASE_ENDING_H
#define STELE_BASE_ENDING_H

#include <signal.h>
#include <sys/stat.h>

// From now on SIGTERM, SIGINT, SIGQUIT and SIGHUP first remove the registered files, then end the
// process as by default. Process 1, which they do not end by default, exits with status 128 plus
// the number of the signal, like a shell. A signal that is ignored (nohup, a shell's `&`) stays
// ignored. A program may give a signal another handler later.
void ending_catch(void);

// Registers the file at `path`, whose status is `status`, to be removed at the end, unless another
// file has its name by then. Returns a number for ending_unregister; 0 when the path is too long or
// there are too many files, and then the file is not removed.
unsigned ending_register(const char *path, const struct stat *status);

// Blocks these signals in the calling thread until ending_restore_signals, so that a file made in
// between is registered before a signal comes. `before` receives the old mask for
// ending_restore_signals.
void ending_block_signals(sigset_t *before);
void ending_restore_signals(const sigset_t *before);

// Unregisters the file with this number: it is gone, or must stay. 0 is accepted.
void ending_unregister(unsigned number);

// Removes the registered files as a signal would, for a program that ends while one of its threads
// hangs.
void ending_remove_files(void);

#endif
