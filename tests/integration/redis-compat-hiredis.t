#!/bin/sh
# hiredis as redis-compat/ connects with it, against our server.
exec redis-compat/with-server "${STELE_BUILD:-build/release}/redis-compat/clients/hiredis"
