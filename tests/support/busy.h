// Programs that keep processors busy, of which the server knows nothing.
#ifndef STELE_SUPPORT_BUSY_H
#define STELE_SUPPORT_BUSY_H

// Starts `count` of them, or as many as there is room for; they end with this process at the
// latest.
void busy_start(unsigned count);

// Ends those that were started.
void busy_end(void);

#endif
