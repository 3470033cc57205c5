// `stele verify` for the versions of a store.
#ifndef STELE_TOOL_VERIFY_STORE_H
#define STELE_TOOL_VERIFY_STORE_H

#include <stdbool.h>

// Compares all versions of a store with their manifests, and their indexes with their data. Prints
// a line for each version that is right, and what is wrong. Returns the exit code.
int verify_store(const char *store);

// Whether the folder is a version of a store: it has a manifest.
bool verify_is_version(const char *folder);

// Does the same for the version in this folder.
int verify_version(const char *folder);

#endif
