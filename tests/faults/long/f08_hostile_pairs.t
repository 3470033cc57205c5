#!/usr/bin/env perl
# tests/faults/f08_hostile_pairs.c with ten million replies.
use strict;
use warnings;
my $build = $ENV{STELE_BUILD} // 'build/release';
exec "$build/tests/faults/f08_hostile_pairs", 10_000_000 or die "cannot run: $!";
