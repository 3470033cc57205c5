#!/usr/bin/env perl
# `stele export`: what it writes, and what it leaves when it fails. replica.t loads its files into a real
# redis-server.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file read_file files);
use Test::More;

my $stele = ($ENV{STELE_BUILD} // 'build/release') . '/stele';

# Runs a shell command in the folder. Returns its exit status and what it prints.
sub run {
    my ($command) = @_;
    my $text = `cd $dir && STELE=$ENV{PWD}/$stele && { $command; } 2>&1`;
    return ($? >> 8, $text);
}

my ($first, $second) = ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b');
write_file('t.data', uc($second) . " second\n$first \n");
utime 1700000000, 1700000000, "$dir/t.data";

my $wanted = "REDIS0009\xfa\x09redis-ver\x057.4.0\xfa\x0aredis-bits\x0264\xfa\x05ctime\x0a1700000000\xfa\x08used-mem\x0282"
    . "\xfe\x00\xfb\x02\x00\x00\x24$second\x06second\x00\x24$first\x00\xff";

my ($status, $text) = run('$STELE export t.data --rdb out.rdb');
is($status, 0, 'a file');
is($text, "out.rdb 2 keys, 170 bytes\n", 'what it prints');
my $rdb = read_file("$dir/out.rdb");
is(substr($rdb, 0, -8), $wanted, 'the file, byte by byte');
is((stat "$dir/out.rdb")[2] & 0777, (stat "$dir/t.data")[2] & 0777, 'it has the permissions of the data file');
($status, $text) = run('$STELE export t.data --rdb - >pipe.rdb');
is($status, 0, 'standard output');
is(read_file("$dir/pipe.rdb"), $rdb, 'the same bytes');
run('rm pipe.rdb');

($status, $text) = run('$STELE export t.data --rdb - --key-prefix user: >prefix.rdb');
is($status, 0, 'with a prefix');
my $longer = $wanted;
$longer =~ s/\x24(?=00000000)/\x29user:/g;
is(substr(read_file("$dir/prefix.rdb"), 0, -8), $longer, 'each key has the prefix');
($status, $text) = run('$STELE import prefix.rdb --strip-prefix user:');
is($text =~ s/^stele:.*\n//mgr, "$second second\n$first \n", 'stele import strips it again');
($status, $text) = run('$STELE export t.data --rdb - --key-prefix ' . 'p' x 65);
is($status, 2, 'a prefix of 65 bytes');
like($text, qr/must have 1 to 64 bytes/, 'the message');
run('rm prefix.rdb');

($status, $text) = run('$STELE export t.data --rdb out.rdb');
is($status, 2, 'a file that exists');
is($text, "stele: 'out.rdb' exists already and is not replaced\n", 'the message');
is(read_file("$dir/out.rdb"), $rdb, 'it is not changed');

($status, $text) = run('$STELE export t.data');
is($status, 2, 'without --rdb');
is($text, "stele: export needs --rdb OUT; it writes no other format\n", 'the message');

($status, $text) = run('$STELE export t.data --rdb missing/out.rdb');
is($status, 2, 'a folder that does not exist');
like($text, qr{^stele: cannot write 'missing/out\.rdb\.[0-9a-f]{16}\.tmp': No such file or directory$}, 'the message');

($status, $text) = run('$STELE export t.data --rdb - >/dev/full');
is($status, 2, 'standard output that is full');
is($text, "stele: cannot write to standard output: No space left on device\n", 'the message');

($status, $text) = run('$STELE export missing.data --rdb x.rdb');
is($status, 2, 'a data file that does not exist');

write_file('long.data', "$first " . 'x' x 3e6 . "\n");
($status, $text) = run('ulimit -f 1000; $STELE export long.data --rdb x.rdb');
is($status, 2, 'a limit of the size of files');
is($text, "stele: cannot write 'x.rdb': File too large\n", 'the message');

write_file('bad.data', "$first x\nbad\n");
($status, $text) = run('$STELE export bad.data --rdb x.rdb');
is($status, 2, 'a malformed line');
like($text, qr/^bad\.data:2: byte 39: not a UUID: 'bad'\n/, 'the message');

is(join(' ', files($dir)), 'bad.data long.data out.rdb t.data', 'nothing is left behind');
done_testing();
