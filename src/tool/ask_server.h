// What the subcommands share that ask a server: its address, the password, the time to wait.
#ifndef STELE_TOOL_ASK_SERVER_H
#define STELE_TOOL_ASK_SERVER_H

#include "client/remote.h"
#include "tool/tool.h"

// Connects to the server at `o->file`, with the password in the environment variable REDISCLI_AUTH
// if it is set. Waits for the time of --timeout, or else for `timeout_s`. Returns TOOL_OK. On
// failure sets the message and returns TOOL_NO when the server has refused the password, and
// TOOL_ERROR when it cannot be reached. Call remote_close in any case.
int ask_server_open(struct remote *c, const struct options *o, unsigned timeout_s,
                    struct error *error);

// Asks the server for all fields of INFO. Returns false with a message on failure. Otherwise
// remote_receive returns the text (client/info.h).
bool ask_server_send_info(struct remote *c, struct error *error);

// Stores the value of --timeout. Returns NULL, or what is wrong with it.
const char *ask_server_set_timeout(struct options *o, const char *value);

#endif
