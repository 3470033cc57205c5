#!/bin/sh
# Runs the check redis-compat/clients/redis-py with a Stele server.
exec redis-compat/with-server redis-compat/clients/redis-py
