// Words that rows of the command tables share.
#ifndef STELE_COMMANDS_TABLE_H
#define STELE_COMMANDS_TABLE_H

// Which arguments are keys: the first, the last (negative: counted from the end), the step.
#define NO_KEYS {0, 0, 0}, ""
#define ONE_KEY                                                                                    \
    {                                                                                              \
        1, 1, 1                                                                                    \
    }
#define SECOND_KEY                                                                                 \
    {                                                                                              \
        2, 2, 1                                                                                    \
    }
#define TWO_KEYS                                                                                   \
    {                                                                                              \
        1, 2, 1                                                                                    \
    }
#define ALL_KEYS                                                                                   \
    {                                                                                              \
        1, -1, 1                                                                                   \
    }

// What most administrative subcommands share in Redis.
#define SUBCOMMAND (NOSCRIPT | LOADING | STALE)

#endif
