#include "support/service.h"

#include "base/log.h"

const struct settings test_settings = {
    .runtime = {.latency_tracking = 1,
                .loglevel = LOG_NOTICE,
                .slowlog_log_slower_than = 10000,
                .slowlog_max_len = 128,
                .tcp_keepalive = 300},
    .executable = "",
    .admin_commands = ENABLE_LOCAL,
    .unixsocket = "",
    .logfile = "",
};
