// Makes servers reload after a store has got another current version.
#ifndef STELE_TOOL_RELOAD_SERVERS_H
#define STELE_TOOL_RELOAD_SERVERS_H

#include <stdbool.h>

#include "tool/store_options.h"

// Sends STELE.RELOAD to all servers, and waits until each serves `version`. The password is that of
// the environment variable REDISCLI_AUTH, if it is set. Prints a line for each server. Returns
// false if one of them does not serve that version.
bool reload_servers(const struct reload_servers *servers, const char *version);

#endif
