// The table of subcommands of `stele`, in the order of --help.
#include "tool/tool.h"

const struct tool_command *const tool_commands[] = {
    &tool_ask,      &tool_bench,  &tool_check,  &tool_diff,     &tool_export, &tool_get,
    &tool_import,   &tool_index,  &tool_merge,  &tool_metrics,  &tool_ping,   &tool_publish,
    &tool_rollback, &tool_sample, &tool_scan,   &tool_sort,     &tool_split,  &tool_stats,
    &tool_top,      &tool_unpin,  &tool_verify, &tool_versions,
};
const unsigned tool_commands_count = sizeof tool_commands / sizeof *tool_commands;
