#include "support/service.h"

const struct service_settings test_settings = {
    .executable = "",
    .admin_commands = ENABLE_LOCAL,
    .bind = "",
    .unixsocket = "",
    .loglevel = "notice",
    .logfile = "",
};
