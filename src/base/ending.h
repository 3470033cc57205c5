// Ending the program when a signal arrives: at once, but after its temporary files and sockets have
// been removed.
//
// A program that may run as process 1 of a container must handle SIGTERM, SIGINT, SIGQUIT and
// SIGHUP from its start. For process 1 the kernel has no default action: it drops a signal that has
// no handler.
#ifndef STELE_BASE_ENDING_H
#define STELE_BASE_ENDING_H

#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>

// Installs handlers of SIGTERM, SIGINT, SIGQUIT and SIGHUP. They remove the registered files, then
// end the process as the signal does by default. Process 1 exits instead, with status 128 plus the
// signal's number, like a shell. A signal that the process already ignores when it calls this
// (after nohup, or a shell's `&`) stays ignored. The program may install another handler for a
// signal later.
void ending_catch(void);

// Registers the file at `path`, whose status is `status`, so that a signal removes it. The file is
// not removed if `path` names another file by then. Returns a number for ending_unregister. Returns
// 0 when the path is too long or there are too many files; then a signal does not remove the file.
unsigned ending_register(const char *path, const struct stat *status);

// Blocks the signals of ending_catch in the calling thread, and sets `*before` to its old mask.
// Call it before a file is created, and ending_restore_signals after the file is registered. So no
// signal ends the process while the file exists but is not registered.
void ending_block_signals(sigset_t *before);

// Whether a signal of ending_catch has arrived and waits because it is blocked. It ends the process
// when the calling thread restores its mask. A program that has more files to remove than can be
// registered blocks the signals, and asks this often enough.
bool ending_is_pending(void);

// Sets the calling thread's mask to `before`.
void ending_restore_signals(const sigset_t *before);

// Unregisters the file with this number, because it is gone or must stay. 0 is accepted.
void ending_unregister(unsigned number);

// Removes the registered files as a signal does. For a program that must exit although one of its
// threads does not end.
void ending_remove_files(void);

#endif
