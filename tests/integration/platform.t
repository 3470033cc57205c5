#!/usr/bin/env perl
# On a platform that Stele does not support, the build stops with one error, which says so.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch; # the flags of make
use Test::More;

chdir "$FindBin::RealBin/../.." or die $!;
plan skip_all => 'the same in each flavour' if ($ENV{STELE_BUILD} // '') =~ /asan/;

sub flags_file { return (stat 'build/release/flags')[9] // 0 }

for my $missing ('__LP64__', '__linux__') {
    my $before = flags_file();
    my $said = `make CFLAGS='-O2 -U$missing' build/release/stele-server 2>&1`;
    isnt($?, 0, "without $missing nothing is built");
    my @errors = $said =~ /(error: .*)/g;
    is(scalar @errors, 1, "without $missing: there is one error") or diag($said);
    like($errors[0], qr/Stele needs 64-bit Linux/, 'the error says what Stele needs');
    is(flags_file(), $before, 'files that were built before are kept');
}
done_testing();
