// Reports the state of the process to a supervisor by systemd's protocol, sd_notify(3): one
// datagram to the socket that the environment variable NOTIFY_SOCKET names. Without that variable
// nothing is sent, and a supervisor that is gone is no error.
//
// Only the main process sends, so NotifyAccess=main is enough. The functions after notify_init may
// be called by any thread. They return true when the message was sent.
#ifndef STELE_NET_NOTIFY_H
#define STELE_NET_NOTIFY_H

#include <stdbool.h>

// Reads NOTIFY_SOCKET and removes it from the environment, so that child processes do not inherit
// it. Called once, before threads start. Returns true when there is a supervisor.
bool notify_init(void);

// Reports that the server serves: after the start, and after each reload, whether it succeeded or
// not. `systemctl status` shows the formatted text.
bool notify_ready(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Reports that a reload is in progress, until the next notify_ready.
bool notify_reloading(void);

// Reports that the process sends its last replies and then ends.
bool notify_stopping(void);

#endif
