// `stele get FILE -`: looks up the keys that standard input has, one on each line.
#ifndef STELE_TOOL_GET_KEYS_H
#define STELE_TOOL_GET_KEYS_H

#include <stdbool.h>

struct dataset;

// Reads keys from standard input until its end, and looks them up. A line ends with LF or CRLF; the
// last one may have no end. Prints `KEY VALUE` for each key that `d` has, in the order of the
// input. With `missing`, prints the keys that `d` does not have instead. Keys are printed as they
// were read. When no more input is there, what is known is printed before it waits for more.
//
// Returns TOOL_OK when `d` has all keys, TOOL_NO when keys are missing, and TOOL_ERROR after a
// message on any failure: a line is not a key, standard input or output fails, or the dataset is
// damaged. The answers of earlier lines are printed then, too; tool_close says if they may be
// wrong. Takes memory of fixed size.
int get_keys(const struct dataset *d, bool missing);

#endif
