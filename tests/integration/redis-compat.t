#!/usr/bin/env perl
# Replays the cases of redis-compat/cases/ against a Stele server.
use strict;
use warnings;

my $build = $ENV{STELE_BUILD} // 'build/release';
my @threads = $ENV{STELE_TEST_THREADS} ? ('--threads', $ENV{STELE_TEST_THREADS}) : ();
my $pid = open my $server, '-|', "$build/stele-server", 'example.data', '--port', '0',
    '--logfile', '/dev/null', @threads or die $!;
$SIG{ALRM} = sub { kill TERM => $pid; die "no answer in time\n" };
alarm 120;
my $ready = <$server> // die "no ready line\n";
my ($port) = $ready =~ /^ready 127\.0\.0\.1:(\d+) / or die "not a ready line: $ready";
my $failed = system 'redis-compat/replay', $port, glob 'redis-compat/cases/*';
kill TERM => $pid;
close $server;
die "the server ended with status $?\n" if $?;
exit($failed != 0);
