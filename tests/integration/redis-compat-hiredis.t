#!/bin/sh
# Runs the check redis-compat/clients/hiredis with a Stele server.
exec redis-compat/with-server "${STELE_BUILD:-build/release}/redis-compat/clients/hiredis"
