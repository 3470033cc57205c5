// The rule by which `stele split` divides a file, from the options of the command line.
#ifndef STELE_TOOL_SPLIT_RULE_H
#define STELE_TOOL_SPLIT_RULE_H

#include "cluster/twemproxy.h"
#include "tool/tool.h"

struct split_rule {
    struct partition *partition;
    struct topology *topology;     // --cluster; NULL: none
    struct twemproxy_pool servers; // --by twemproxy
    const struct split_options *options;
};

// Reads the options and the files that they name. Returns false with a message when they are wrong.
// The rule borrows `options`. The caller calls split_rule_release in any case.
bool split_rule_init(struct split_rule *r, const struct split_options *options,
                     struct error *error);

void split_rule_release(struct split_rule *r);

// Appends the lines of the manifest that say what the rule is.
void split_rule_describe(const struct split_rule *r, struct buf *to);

// Appends the lines of the manifest that say for whom this part is.
void split_rule_describe_part(const struct split_rule *r, unsigned part, struct buf *to);

#endif
