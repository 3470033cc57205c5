// What the sources of settings share: settings.c has the table, settings_values.c reads and formats
// values by their type.
#ifndef STELE_SERVE_SETTINGS_INTERNAL_H
#define STELE_SERVE_SETTINGS_INTERNAL_H

#include "serve/settings.h"

// Returns the field of a setting.
void *setting_field(const struct setting *row, struct settings *s);

// Reads `text` as a number within the bounds of the row into its field. Returns NULL, or what is
// wrong with it, as setting_read does.
const char *setting_read_number(const struct setting *row, struct settings *s, const char *text,
                                char complaint[SETTING_COMPLAINT_MAX]);

#endif
