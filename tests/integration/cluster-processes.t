#!/usr/bin/env perl
# Tests a cluster of six processes (tests/cluster/cluster) with redis-cli: what it says about the
# cluster, every key through each node, and the reads after a primary was killed.
use strict;
use warnings;
use Test::More;

my $pid = open my $cluster, '-|', 'tests/cluster/cluster', '--port', '0', '--', '--logfile',
    '/dev/null' or die $!;
$SIG{ALRM} = sub { kill TERM => $pid; die "no answer in time\n" };
alarm 120;
my (@port, @process);
while (<$cluster>) {
    last if /^ready/;
    /^node \w\d 127\.0\.0\.1:(\d+) pid (\d+)$/ or die "not the line of a node: $_";
    push @port, $1;
    push @process, $2;
}
is(scalar @port, 6, 'six nodes serve');

my %value;
open my $file, '<', 'example.data' or die $!;
while (<$file>) {
    my ($key, $value) = /^(\S{36}) ([[:print:]]*)$/ or next;
    $value{lc $key} = $value;
}
my @key = sort keys %value;

# Asks for all keys through the node at $port, and returns how many values are wrong.
sub wrong_through {
    my ($port, @form) = @_;
    my $wrong = 0;
    open my $requests, '>', "/tmp/stele-keys-$$" or die $!;
    print $requests 'GET ', (@form ? uc $_ : $_), "\n" for @key;
    close $requests;
    my @said = grep { !/^-> Redirected/ } `redis-cli -c -p $port < /tmp/stele-keys-$$`;
    unlink "/tmp/stele-keys-$$";
    chomp @said;
    $wrong += ($said[$_] // '') ne $value{$key[$_]} for 0 .. $#key;
    return $wrong;
}

for my $port (@port) {
    my $said = `redis-cli --cluster check 127.0.0.1:$port`;
    is($?, 0, "redis-cli --cluster check, $port: the exit status");
    like($said, qr/All nodes agree about slots configuration.*All 16384 slots covered/s, 'all nodes agree');
    like(`redis-cli --cluster info 127.0.0.1:$port`, qr/in 3 masters/, 'redis-cli --cluster info');
    is($?, 0, 'its exit status');
}
is(wrong_through($port[0]), 0, 'each key, through the first node');
is(wrong_through($port[5], 'upper'), 0, 'each key in upper case, through the last node');

# The second node of the shard takes over. Clients ask again until it has.
kill KILL => $process[0];
my $role;
for (1 .. 100) {
    $role = `redis-cli -p $port[1] ROLE`;
    last if $role =~ /^master/;
    select undef, undef, undef, 0.1;
}
like($role, qr/^master/, 'after kill -9 of a primary, the next node of its shard is the primary');
for my $other (@port[1 .. 5]) {
    my $slots;
    for (1 .. 100) {
        $slots = `redis-cli -p $other CLUSTER SLOTS`;
        last if $slots !~ /^$port[0]$/m;
        select undef, undef, undef, 0.1;
    }
    unlike($slots, qr/^$port[0]$/m, "the node on port $other leaves the killed one out");
}
is(wrong_through($port[4]), 0, 'each key is there');

kill TERM => $pid;
close $cluster;
is($?, 0, 'the exit status of the cluster');
done_testing();
