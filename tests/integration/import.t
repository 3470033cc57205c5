#!/usr/bin/env perl
# `stele import`: the dumps of a real redis-server, with every type, integers, compressed strings,
# binary and huge values, databases and expiries; what is refused, damaged dumps, full disks, signals.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file read_file run uuid start_random);
use Test::More;
use Time::HiRes 'usleep';

chdir "$FindBin::RealBin/../.." or die $!;
my $build = $ENV{STELE_BUILD} // 'build/release';
my $stele = "$FindBin::RealBin/../../$build/stele";
start_random();
my $outs = 0;
my ($said, $status);

# The names of all files in a folder that begin with a text.
sub files {
    my ($folder, $begin) = @_;
    opendir my $handle, $folder or return;
    return sort grep { /\A\Q$begin\E/ } readdir $handle;
}

# ---- a redis-server -----------------------------------------------------------------------------

my $socket = "$dir/redis.sock";
my $redis = fork // die $!;
if ($redis == 0) {
    open STDOUT, '>', '/dev/null';
    exec 'redis-server', '--port', '0', '--unixsocket', $socket, '--dir', "$dir", '--save', '',
        '--appendonly', 'no', '--rdbcompression', 'yes', '--enable-debug-command', 'yes',
        '--proto-max-bulk-len', '1gb', '--hash-max-listpack-entries', '4', '--list-max-listpack-size', '4',
        '--repl-diskless-sync-delay', '0'
        or exit 99;
}
END { local $?; kill TERM => $redis and waitpid $redis, 0 if $redis }
for (1 .. 1000) {
    last if -S $socket && `redis-cli -s $socket ping 2>&1` eq "PONG\n";
    usleep(10_000);
}

# Sends commands, whose words may have any bytes. No reply may be an error.
sub redis {
    open my $cli, '|-', "redis-cli -s $socket --pipe > $dir/pipe.out 2>&1" or die $!;
    binmode $cli;
    for my $words (@_) {
        print $cli '*', scalar @$words, "\r\n", map { ('$', length, "\r\n", $_, "\r\n") } @$words;
    }
    close $cli or die 'redis-cli: ' . read_file("$dir/pipe.out");
}

# Returns the path of a new dump of the server.
sub dump_of_server {
    my $path = "$dir/dump" . $outs++ . '.rdb';
    system("redis-cli -s $socket --rdb $path > /dev/null 2>&1") == 0 or die;
    return $path;
}

# Fills the server with these strings, and returns a dump.
sub dump_of {
    my (%values) = @_;
    redis(['flushall'], map { ['set', $_, $values{$_}] } sort keys %values);
    return dump_of_server();
}

# Imports a dump to a new file. Returns its content (undef if there is none), what was printed, and
# the status.
sub import_dump {
    my ($dump, $options) = @_;
    my $out = "$dir/out" . $outs++;
    my ($text, $code) = run("$stele import $dump --out $out " . ($options // ''));
    my @left = files("$dir", $out =~ s{.*/}{}r . '.');
    is_deeply(\@left, [], '  no temporary file is left') if @left;
    return (-e $out ? read_file($out) : undef, $text, $code);
}

# Whether a data file has exactly these records, in any order.
sub same_records {
    my ($text, $values, $name) = @_;
    my %found;
    my $lines = 0;
    while ($text =~ /\G(.{36}) (.*)\n/gc) {
        $found{$1} = $2;
        $lines++;
    }
    is(pos($text) // 0, length $text, "$name: only records");
    is($lines, scalar keys %$values, "$name: the number of lines");
    my @wrong = grep { !exists $found{$_} || $found{$_} ne $values->{$_} } keys %$values;
    is_deeply([map { [$_, length $values->{$_}] } @wrong], [], "$name: every value");
}

# ---- strings ------------------------------------------------------------------------------------

my %values = map { uuid() => $_ } 0, 1, -1, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769,
    2147483647, 2147483648, -2147483648, -2147483649, '9223372036854775807', '00', '+1', '-0', ' 1', '1.5',
    '', ' ', "\r", "\0", "\xff" x 100, 'x' x 63, 'x' x 64, 'a' x 16383, 'a' x 16384;
$values{+uuid()} = join '', map { chr int rand 256 } 1 .. int rand 300 for 1 .. 500; # binary
$values{+uuid()} = join ' ', map { 'word' . int rand 30 } 1 .. int rand 400 for 1 .. 500; # compressible
$values{'00000000-0000-0000-0000-000000000000'} = 'a key that is compressed';
my $random = join '', map { chr int rand 256 } 1 .. 100_000;
$values{+uuid()} = $random x 30; # nothing repeats within the reach of a reference
$values{+uuid()} = 'compressed ' x 2_000_000;
$values{+uuid()} = 'x' x 262_144 for 1 .. 2;
tr/\n/\r/ for values %values;

my $dump = dump_of(%values);
my ($lines, $text);
($lines, $said, $status) = import_dump($dump);
is($status, 0, 'the dump of redis-cli --rdb') or diag($said);
same_records($lines, \%values, 'redis-cli --rdb');
like($said, qr/\Astele: \S+: ${\scalar keys %values} lines\n\z/, 'the summary');
cmp_ok(-s $dump, '<', length $lines, 'the dump has compressed strings');
is((stat "$dir/out1")[9], (stat $dump)[9], 'the file has the time of the dump');
is((stat "$dir/out1")[2] & 0777, (stat $dump)[2] & 0777, 'and its permissions');
($text, $status) = run("$stele import $dump 2>/dev/null | cmp - $dir/out1");
is($text, '', 'standard output has the same bytes');
($text, $status) = run("$stele import - < $dump 2>/dev/null | cmp - $dir/out1");
is($text, '', 'and so if the dump comes from standard input');
($text, $status) = run("cat $dump | $stele import - --out - 2>/dev/null | cmp - $dir/out1");
is($text, '', 'or from a pipe');
($text, $status) = run("$stele check $dir/out1");
is($status, 0, 'stele check accepts the file') or diag($text);

run("redis-cli -s $socket save");
($lines, $said, $status) = import_dump("$dir/dump.rdb");
is($status, 0, 'the dump of SAVE');
same_records($lines, \%values, 'SAVE');
run("redis-cli -s $socket config set rdbcompression no");
($lines, $said, $status) = import_dump(dump_of_server());
same_records($lines, \%values, 'without compression');
run("redis-cli -s $socket config set rdbcompression yes");

# ---- keys ---------------------------------------------------------------------------------------

my @ids = map { uuid() } 1 .. 20;
$dump = dump_of((map { $_ => 'plain' } @ids[0, 1]), uc $ids[2] => 'upper', "user:$ids[3]" => 'user', "user:$ids[0]" => 'twice',
    'x' => 1, "bin\0\\\n\xff" => 2, "$ids[4] " => 3, substr($ids[4], 1) => 4, 'k' x 3000 => 5, $ids[5] =~ tr/-//dr => 6, '' => 7);
($lines, $said, $status) = import_dump($dump);
is($status, 0, 'keys that are no UUIDs are left out');
same_records($lines, {$ids[0] => 'plain', $ids[1] => 'plain', $ids[2] => 'upper'}, 'keys');
is(() = $said =~ /: byte \d+: not a UUID: '/g, 9, 'they are named');
like($said, qr/byte \d+: not a UUID: 'bin\\x00\\x5c\\x0a\\xff'$/m, 'a binary key is escaped');
like($said, qr/byte \d+: not a UUID: '${\('k' x 80)}\.\.\.'$/m, 'a long key is cut');
like($said, qr/^stele: \S+: some keys are a UUID after a prefix; --strip-prefix 'user:' removes it\n/m, 'a hint');
like($said, qr/^stele: \S+: 3 lines; left out: 9 keys that are no UUIDs\n\z/m, 'and counted');
unlike((import_dump($dump, '--strip-prefix x'))[1], qr/--strip-prefix/, 'no hint when another prefix is removed');
my ($offset) = $said =~ /byte (\d+): not a UUID: 'x'/;
is(substr(read_file($dump), $offset, 3), "\0\1x", 'the byte is that of the key');
($lines, $said, $status) = import_dump($dump, "--strip-prefix user:");
is($status, 0, '--strip-prefix');
is_deeply([sort $lines =~ /^$ids[0] (.*)$/mg], ['plain', 'twice'], 'the same key with and without the prefix has two lines');
like($said, qr/2 keys had the prefix and 3 had not; of lines with the same key, the last one counts/, 'a message says so');
like($lines, qr/^$ids[3] user$/m, 'the prefix is removed');
like($said, qr/5 lines; left out: 7 keys that are no UUIDs/, 'the others are left out');
$dump = dump_of(map { $_ => $_ } 1 .. 25);
($lines, $said, $status) = import_dump($dump);
is($lines, '', 'no UUID at all');
is(() = $said =~ /: not a UUID: /g, 10, 'ten are named');
like($said, qr/0 lines; left out: 25 keys/, 'all are counted');
$dump = dump_of(('p' x 256) . $ids[0] => 'long prefix', ('p' x 257) . $ids[1] => 'too long');
($lines) = import_dump($dump, '--strip-prefix ' . 'p' x 256);
is($lines, "$ids[0] long prefix\n", 'a long prefix');
$dump = dump_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$ids[0]" => 'compressed');
($lines) = import_dump($dump, '--strip-prefix ' . 'a' x 48);
is($lines, "$ids[0] compressed\n", 'a prefix in a compressed key');

# ---- databases ----------------------------------------------------------------------------------

redis(['flushall'], ['select', 0], ['set', $ids[0], 'zero'], ['select', 5], ['set', $ids[0], 'five'], ['set', $ids[1], 'five'],
    ['xadd', 'stream', '*', 'a', 'b'], ['select', 9], ['set', $ids[0], 'nine'], ['rpush', 'list', 'x']);
$dump = dump_of_server();
($lines, $said, $status) = import_dump($dump, '--db 9');
is($status, 1, 'a stream in another database cannot be skipped');
like($said, qr/the key 'stream' is a stream, which can neither be read nor skipped/, 'the message names it');
redis(['select', 5], ['del', 'stream']);
$dump = dump_of_server();
($lines, $said, $status) = import_dump($dump, '--db 5');
same_records($lines, {$ids[0] => 'five', $ids[1] => 'five'}, '--db 5');
like($said, qr/2 lines; left out: 3 keys of other databases/, 'keys of other databases are counted');
($lines, $said, $status) = import_dump($dump, '--db 3');
is($lines, '', 'a database without keys');
($lines, $said, $status) = import_dump($dump, '--skip-others');
is_deeply([$lines =~ /^$ids[0] (.*)$/mg], ['zero', 'five', 'nine'], 'all databases, in order');
like($said, qr/the lines come from several databases; of lines with the same key, the last one counts; --db N/, 'a message says so');
write_file('all.data', $lines);
is((run("$stele get $dir/all.data $ids[0]"))[0], "nine\n", 'the last one counts');

# ---- expiry -------------------------------------------------------------------------------------

redis(['flushall'], ['debug', 'set-active-expire', '0'], ['set', $ids[0], 'stays'], ['set', $ids[1], 'later', 'ex', 1000],
    ['set', $ids[2], 'gone', 'px', 1], ['set', 'list', 'gone', 'px', 1], ['set', $ids[3], 'idle']);
usleep(5000);
$dump = dump_of_server();
($lines, $said, $status) = import_dump($dump);
is($status, 0, 'keys that expire are left out');
same_records($lines, {$ids[0] => 'stays', $ids[3] => 'idle'}, 'expiry');
like($said, qr/2 lines; left out: 2 expired keys, 1 key that expires\n\z/, 'and counted');
($lines, $said, $status) = import_dump($dump, '--keep-expiring');
same_records($lines, {$ids[0] => 'stays', $ids[1] => 'later', $ids[3] => 'idle'}, '--keep-expiring');
like($said, qr/3 lines; left out: 2 expired keys\n\z/, 'expired keys are left out all the same');
run("redis-cli -s $socket config set maxmemory-policy $_ maxmemory 1gb"), redis(['set', $ids[3], 'used']),
    $dump = dump_of_server(), (($lines) = import_dump($dump)), like($lines, qr/^$ids[3] used$/m, "a dump with $_")
    for 'allkeys-lru', 'allkeys-lfu';
run("redis-cli -s $socket config set maxmemory-policy noeviction");

# ---- other types --------------------------------------------------------------------------------

my %others = (
    list => ['rpush', 'l1', 1 .. 3], 'long list' => ['rpush', 'l2', map { "item $_" x 10 } 1 .. 200],
    'plain nodes' => ['rpush', 'l3', 'x' x 20000, $random],
    'integers' => ['sadd', 's1', 1 .. 100], set => ['sadd', 's2', map { "member $_" } 1 .. 1000],
    'short zset' => ['zadd', 'z1', 1.5, 'a', 'inf', 'b', '-inf', 'c'], zset => ['zadd', 'z2', map { ($_ / 3, "member $_") } 1 .. 1000],
    'short hash' => ['hset', 'h1', 'f', 'v'], hash => ['hset', 'h2', map { ("field $_", 'v' x $_) } 1 .. 100],
);
for my $name (sort keys %others) {
    my ($key, $type) = ($others{$name}[1], {l => 'list', s => 'set', z => 'zset', h => 'hash'}->{substr $others{$name}[1], 0, 1});
    redis(['flushall'], ['set', $ids[0], 'string'], $others{$name});
    $dump = dump_of_server();
    ($lines, $said, $status) = import_dump($dump);
    is($status, 1, "$name: refused");
    is($lines, undef, '  there is no file');
    like($said, qr/\Astele: \S+: byte \d+: the key '$key' is a $type, not a string; --skip-others leaves such keys out\n\z/, '  the message');
}
redis(['flushall'], (map { ['set', $_, 'string'] } @ids), values %others, ['function', 'load', "#!lua name=mylib\nredis.register_function('f', function() return 1 end)"]);
$dump = dump_of_server();
($lines, $said, $status) = import_dump($dump, '--skip-others');
is($status, 0, '--skip-others') or diag($said);
same_records($lines, {map { $_ => 'string' } @ids}, '--skip-others');
like($said, qr/20 lines; left out: 9 keys that are no strings\n\z/, 'they are counted');
redis(['xadd', 'stream', '*', 'a', 'b']);
$dump = dump_of_server();
for my $options ('', '--skip-others') {
    ($lines, $said, $status) = import_dump($dump, $options);
    is($status, 1, "a stream is refused $options");
    is($lines, undef, '  there is no file');
}

# ---- newlines -----------------------------------------------------------------------------------

my %with = map { $ids[$_] => $_ < 12 ? "a\nb$_\n" : 'none' } 0 .. 19;
$dump = dump_of(%with);
($lines, $said, $status) = import_dump($dump);
is($status, 1, 'values with a newline are refused');
is($lines, undef, 'there is no file');
is(() = $said =~ /byte \d+: the value of '[0-9a-f-]{36}' contains a newline$/mg, 10, 'ten are named');
like($said, qr/12 values contain a newline, which a data file cannot hold; --newline-as TEXT replaces it\n\z/, 'all are counted');
for my $as ('\n', '', 'TEXT') {
    ($lines, $said, $status) = import_dump($dump, "--newline-as '$as'");
    is($status, 0, "--newline-as '$as'");
    same_records($lines, {map { $_ => $with{$_} =~ s/\n/$as/gr } keys %with}, "--newline-as '$as'");
}
my $large = ('x' x 1_000_000 . "\n") x 3;
$dump = dump_of($ids[0] => $large, $ids[1] => $random x 3);
($lines, $said, $status) = import_dump($dump, '--newline-as NL');
same_records($lines, {$ids[0] => $large =~ s/\n/NL/gr, $ids[1] => ($random x 3) =~ s/\n/NL/gr}, 'newlines in large values');
$dump = dump_of($ids[0] => ('x' x 5_000_000) . "\nend");
($text, $status) = run("$stele import $dump 2>$dir/said");
is($status, 1, 'a newline late in a large value');
ok(index($text, "\n") < 0 && length $text > 1_000_000, 'its line is not ended on standard output');
like(read_file("$dir/said"), qr/the lines on standard output are not complete\n\z/, 'a message says so');

# ---- damage -------------------------------------------------------------------------------------

delete @values{grep { length $values{$_} > 20_000 } keys %values};
$dump = dump_of(%values);
my $whole = read_file($dump);
my @cuts = ((0 .. 100), map { int rand length $whole } 1 .. 30);
my @wrong;
for my $len (@cuts, length($whole) - 1) {
    my $cut = write_file('cut.rdb', substr $whole, 0, $len);
    ($lines, $said, $status) = import_dump($cut);
    push @wrong, [$len, $status, $said] if $status != 2 || defined $lines ||
        $said !~ /\Astele: \Q$cut\E: byte $len: the dump ends within [a-z :]+\n\z/;
}
is_deeply(\@wrong, [], 'a dump that was cut at any byte: status 2, the byte, and no file');
@wrong = ();
for (1 .. 30) {
    my $at = int rand length $whole;
    my $damaged = $whole;
    substr($damaged, $at, 1) ^= chr 1 << int rand 8;
    ($lines, $said, $status) = import_dump(write_file('damaged.rdb', $damaged));
    push @wrong, [$at, $status, $said] if $status == 0 || defined $lines || $said !~ /: byte \d+: /;
}
is_deeply(\@wrong, [], 'a flipped bit anywhere: no file');
for (['append-only.rdb', $whole . "*1\r\n\$4\r\nping\r\n", qr/byte ${\length $whole}: more bytes follow the end/],
     ['gzip.rdb', "\x1f\x8b\x08" . $random, qr/byte 0: not an RDB dump/],
     ['data.rdb', "$ids[0] value\n", qr/byte 0: not an RDB dump/],
     ['newer.rdb', 'REDIS0099' . substr($whole, 9), qr/byte 0: version REDIS0099 of the format cannot be read/]) {
    my ($name, $bytes, $message) = @$_;
    ($lines, $said, $status) = import_dump(write_file($name, $bytes));
    is($status, 2, $name);
    like($said, $message, '  the message');
}
is_deeply([run("$stele import $dir/none")], ["stele: cannot open '$dir/none': No such file or directory\n", 2], 'no dump');
is_deeply([run("$stele import $dir")], ["stele: cannot open '$dir': not a regular file\n", 2], 'a folder');
is((run("$stele import - < $dir"))[1], 2, 'a folder as standard input');

# ---- files --------------------------------------------------------------------------------------

write_file('taken', 'mine');
is_deeply([run("$stele import $dump --out $dir/taken")], ["stele: '$dir/taken' exists already and is not replaced\n", 2], 'a file that exists');
is(read_file("$dir/taken"), 'mine', 'it was not changed');
($said, $status) = run("$stele import $dump --out $dir/no/folder");
is($status, 2, 'no folder');
like($said, qr/\Astele: cannot write '\Q$dir\E\/no\/folder\..*': No such file or directory\n\z/, 'the message');
($said, $status) = run("sh -c 'ulimit -f 1000; exec $stele import $dump --out $dir/full'");
is($status, 2, 'a file that cannot be written');
is($said, "stele: cannot write '$dir/full': File too large\n", 'the message');
is_deeply([files("$dir", 'full')], [], 'nothing is left');
is_deeply([run("{ $stele import $dump 2>&3 > /dev/full; } 3>&1")],
    ["stele: cannot write to standard output: No space left on device\n" .
        "stele: the lines on standard output are not complete\n", 2], 'a full disk');
for my $signal (qw(TERM INT HUP)) {
    my $pid = open my $feed, '|-', "exec $stele import - --out $dir/stopped" // die $!;
    binmode $feed;
    print $feed substr $whole, 0, 10_000;
    $feed->flush;
    for (1 .. 10_000) {
        my @names = files("$dir", 'stopped');
        last if @names;
        usleep(1000);
    }
    my @names = files("$dir", 'stopped');
    is(scalar @names, 1, "SIG$signal: there is a temporary file");
    kill $signal, $pid;
    close $feed;
    is($? & 127, {HUP => 1, INT => 2, TERM => 15}->{$signal}, '  the signal ends the program');
    is_deeply([files("$dir", 'stopped')], [], '  nothing is left');
}
my @refused = (
    ['--db x', 'must be a number, 0 or more'], ['--db -1', 'must be a number, 0 or more'], ["--strip-prefix ''", 'must have 1 to 256 bytes'],
    ['--strip-prefix ' . 'x' x 257, 'must have 1 to 256 bytes'], ["--newline-as 'a\nb'", 'must not contain a newline'],
    ["--out ''", 'must not be empty'], ['--nothing', '--nothing'],
);
for (@refused) {
    my ($options, $message) = @$_;
    ($said, $status) = run("$stele import $dump $options");
    is($status, 2, 'wrong: ' . substr($options, 0, 20) =~ s/\n/\\n/r);
    like($said, qr/\Q$message\E/, '  the message');
}
my ($help) = run("$stele help import");
cmp_ok(($help =~ tr/\n//), '<=', 24, 'the help fits a screen');
like($help, qr/\nexample: redis-cli --rdb dump\.rdb && stele import dump\.rdb --out devices\.data\n\z/, 'and has an example');

# ---- memory -------------------------------------------------------------------------------------

SKIP: {
    skip 'the address sanitizer maps terabytes', 4 if $build =~ /asan|tsan/;
    # 150 MB, of which the dump has 2 MB; and 60 MB that are not compressed.
    for my $options ('setrange', 'append') {
        redis(['flushall'], $options eq 'setrange' ? ['setrange', $ids[0], 150_000_000, 'x'] : map { ['append', $ids[0], $random] } 1 .. 600);
        $dump = dump_of_server();
        ($said, $status) = run("sh -c 'ulimit -v 50000; exec $stele import $dump --newline-as N --out $dir/$options.data'");
        is($status, 0, "$options: a huge value, with 50 MB of address space") or diag($said);
        is(-s "$dir/$options.data", 38 + ($options eq 'setrange' ? 150_000_001 : 60_000_000), '  the length of the line');
    }
}

# ---- the page -----------------------------------------------------------------------------------

my ($page) = read_file('docs/publishing.md') =~ /^## From a Redis\n(.*?)(?=^## |\z)/ms;
my @blocks = $page =~ /^```sh\n(.*?)^```$/msg;
is(scalar @blocks, 2, 'the page has two recipes');
%values = map { uuid() => "value $_" } 1 .. 100;
dump_of(%values);
mkdir "$dir/page" or die $!;
for (@blocks) {
    s/-h redis\.example -p 6379/-s $socket/;
    s/\bstele /$stele /g;
    write_file('recipe', $_);
    ($said, $status) = run("cd $dir/page && rm -f * && sh -e $dir/recipe");
    is($status, 0, 'a recipe') or diag($said);
    same_records(read_file(-e "$dir/page/devices.data" ? "$dir/page/devices.data" : "$dir/page/devices.data.new"), \%values, 'a recipe');
}

done_testing();
