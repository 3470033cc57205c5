// The settings of a service in unit tests.
#ifndef STELE_TESTS_SERVICE_H
#define STELE_TESTS_SERVICE_H

#include "serve/service.h"

// No limits, no password, and administrative commands for clients of this machine. A test that
// needs other settings changes a copy.
extern const struct settings test_settings;

#endif
