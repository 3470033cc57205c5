// Checks of the words of requests that read other types than strings. Each gives Redis's error, or
// NULL when there is none to tell; only type_check_refuse can write it, as some have blanks to
// fill.
//
// A request takes a bounded time: of options, and of weights, no more than a few are looked at.
#ifndef STELE_COMMANDS_TYPE_CHECKS_H
#define STELE_COMMANDS_TYPE_CHECKS_H

#include "serve/session.h"

typedef const char *type_check(const struct resp_request *r);

type_check type_check_any_range, type_check_around_member, type_check_around_point,
    type_check_cursor, type_check_difference, type_check_distance, type_check_geosearch,
    type_check_integers, type_check_intersection_limit, type_check_list_position,
    type_check_name_range, type_check_names, type_check_pending, type_check_random_field,
    type_check_random_member, type_check_random_score, type_check_rank_range,
    type_check_score_range, type_check_scores, type_check_set_count, type_check_sort,
    type_check_sorted_count, type_check_stream_range, type_check_union;

// How many keys argument 1 announces, when it has been checked.
uint32_t type_check_announced_keys(const struct resp_request *r);

// Whether COUNT is among the options of LPOS, when they have been checked.
bool type_check_has_count(const struct resp_request *r);

// Of XREAD: the words before the streams; `*streams` becomes the first key.
const char *type_check_streams(const struct resp_request *r, uint32_t *streams);

// Of XREAD: the entry behind which it is to read.
const char *type_check_entry(struct span word);

// Writes the error; false when it is NULL.
bool type_check_refuse(struct session *s, const struct resp_request *r, const char *error);

// The handlers of the rows of type_read_table.c, in type_reads.c.
command_handler read_type_command, xread_command;

#endif
