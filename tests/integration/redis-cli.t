#!/usr/bin/env perl
# Tests redis-cli as people use it: single commands, RESP3, and the interactive mode. In that mode it
# sends COMMAND DOCS first, and aborts if the reply has another form than it expects.
use strict;
use warnings;
use Test::More;

my $build = $ENV{STELE_BUILD} // 'build/release';
my $key = 'f8a24bb8-eff8-41dc-929b-10b4c3e49e05';
my $pid = open my $server, '-|', "$build/stele-server", 'example.data', '--port', '0',
    '--logfile', '/dev/null' or die $!;
$SIG{ALRM} = sub { kill TERM => $pid; die "no answer in time\n" };
alarm 120;
my $ready = <$server> // die "no ready line\n";
my ($port) = $ready =~ /^ready 127\.0\.0\.1:(\d+) / or die "not a ready line: $ready";

is(`redis-cli --no-raw -p $port GET $key`, "\"1234\"\n", 'GET');
is(`redis-cli --no-raw -p $port MGET $key x 3479d894-3271-4935-88cf-a06f3cbb80a5`,
    qq{1) "1234"\n2) (nil)\n3) "this is a value"\n}, 'MGET of present and absent keys, in order');
like(`redis-cli --no-raw -3 -p $port HELLO 3`,
    qr/\A1# "server" => "redis"\n2# "version" => "[\d.]+"\n3# "proto" => \(integer\) 3\n4# "id" => \(integer\) \d+\n5# "mode" => "standalone"\n6# "role" => "master"\n7# "modules" => \(empty array\)\n\z/,
    'HELLO 3 is a map');
for my $pattern ('8d3fb0a7*', '8D3FB0A7*', '[8][D-F]3FB0A7*', '8D3FB0A?-*-F06E7C12*') {
    my $wanted = "8d3fb0a7-42c6-4e19-9a5d-f06e7c12b384\n";
    is(`redis-cli -p $port KEYS '$pattern'`, $wanted, "KEYS $pattern");
    is(`redis-cli -p $port --scan --pattern '$pattern'`, $wanted, "--scan --pattern $pattern");
}
for my $protocol ('-2', '-3') {
    my $said = qx{printf 'get $key\nhelp get\nquit\n' | redis-cli $protocol -p $port 2>&1};
    is($?, 0, "$protocol, interactive: the exit code is 0");
    like($said, qr/1234/, "$protocol, interactive: GET shows the value");
    like($said, qr/summary:\S* Returns the value of a key/, "$protocol, interactive: help shows Stele's summary of GET");
    unlike($said, qr/assert/i, "$protocol, interactive: no assertion fails");
}
kill TERM => $pid;
close $server;
is($?, 0, "the server's exit code");
done_testing();
