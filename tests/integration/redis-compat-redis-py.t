#!/bin/sh
# redis-py as redis-compat/ connects with it, against our server.
exec redis-compat/with-server redis-compat/clients/redis-py
