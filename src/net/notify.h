// What a supervisor is told of the process: systemd's readiness protocol, sd_notify(3), which is
// one datagram to the socket that the variable NOTIFY_SOCKET names. Without that variable, or when
// the supervisor is gone, nothing happens.
//
// From notify_init on any thread may tell. NotifyAccess=main does, as nothing is sent by another
// process.
#ifndef STELE_NET_NOTIFY_H
#define STELE_NET_NOTIFY_H

#include <stdbool.h>

// Takes the address out of the environment, so that it is ours alone. To be called once, before
// there are threads. True when there is a supervisor to tell.
bool notify_init(void);

// "Serving", after the start and again after each reload, in good order or not; with a line that
// `systemctl status` shows. True when it was sent, here and below.
bool notify_ready(const char *format, ...) __attribute__((format(printf, 1, 2)));

// "Reloading", until the next notify_ready.
bool notify_reloading(void);

// "Stopping": what a client still gets is sent, then the process ends.
bool notify_stopping(void);

#endif
