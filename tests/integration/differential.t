#!/usr/bin/env perl
# Runs the differential suite, redis-compat/differential/, with Stele and a real redis-server.
# STELE_DIFFERENTIAL_CASES=8 makes it quick, STELE_DIFFERENTIAL_SEED repeats a run.
use strict;
use warnings;

$ENV{STELE_BUILD} //= 'build/release';
exec 'redis-compat/differential/run' or die "redis-compat/differential/run: $!\n";
