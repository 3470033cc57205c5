// The handlers that rows of the command table name. Each is called with a request of the right
// arity, writes exactly one reply (nothing less, also when it fails) to the session's writer and
// says whether it is done.
#ifndef STELE_SERVE_HANDLERS_H
#define STELE_SERVE_HANDLERS_H

#include "serve/command.h"

// string.c
command_handler get_command, getrange_command, mget_command, strlen_command;
// generic.c
command_handler exists_command, randomkey_command, ttl_command, type_command, wait_command;
// scan.c
command_handler scan_command;
// connection.c
command_handler auth_command, client_getname_command, client_id_command, client_setinfo_command,
    client_setname_command, echo_command, hello_command, ping_command, quit_command,
    readonly_command, reset_command, select_command;
// server.c
command_handler dbsize_command, debug_command, lastsave_command, role_command, shutdown_command,
    time_command;
// introspection.c
command_handler command_command, command_count_command, command_docs_command, command_info_command,
    help_command;
// config.c
command_handler config_get_command;
// info.c
command_handler info_command;

#endif
