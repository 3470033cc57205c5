// Processes that keep processors busy, like other programs on the server's machine.
#ifndef STELE_SUPPORT_BUSY_H
#define STELE_SUPPORT_BUSY_H

// Starts `count` processes, at most 64. The kernel kills them when this process ends.
void busy_start(unsigned count);

// Kills the processes that were started.
void busy_end(void);

#endif
