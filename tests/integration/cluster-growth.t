#!/usr/bin/env perl
# A cluster of three shards gets a fourth one under load (tests/cluster/growth): no request fails, no
# value is wrong, and no request is redirected more than twice.
use strict;
use warnings;
use Test::More;

my $said = `tests/cluster/growth --replies 100000 --keys 20000`;
is($?, 0, 'the exit status');
like($said, qr/a wrong file: refused by all nodes\nshard 4: .*shard 1: .* 0 wrong, 0 errors/s, 'what it says');
diag($said) if $?;
done_testing();
