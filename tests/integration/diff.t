#!/usr/bin/env perl
# `stele diff`: its output compared with that of sort and comm, and of a program of twenty lines; what
# --delta writes and never replaces; wrong and damaged files.
use strict;
use warnings;
use Fcntl ':mode';
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file read_file run_apart uuid start_random);
use Test::More;
use Time::HiRes 'usleep';

chdir "$FindBin::RealBin/../.." or die $!;
my $stele = ($ENV{STELE_BUILD} // 'build/release') . '/stele';
start_random();
$ENV{LC_ALL} = 'C';

# Compares two long texts, and prints only the first line that differs.
sub same_text {
    my ($got, $wanted, $name) = @_;
    my @got = split /^/, $got;
    my @wanted = split /^/, $wanted;
    my $at = 0;
    $at++ while $at < @got && $at < @wanted && $got[$at] eq $wanted[$at];
    my ($a, $b) = map { $_ // 'nothing' } $got[$at], $wanted[$at];
    ok($got eq $wanted, $name) or diag("line $at: $a instead of $b");
    return;
}

# ---- the same, written once more ----------------------------------------------------------------

my $model = write_file('model.py', <<'END');
import sys
def read(path):
    table = {}
    for line in open(path, 'rb').read().split(b'\n'):
        if line:
            table[line[:36].lower()] = line[37:]
    return table
old, new, mode = read(sys.argv[1]), read(sys.argv[2]), sys.argv[3]
out = sys.stdout.buffer
counts = dict(added=0, removed=0, changed=0, same=0)
for key in sorted(old.keys() | new.keys()):
    kind = ('added' if key not in old else 'removed' if key not in new
            else 'same' if old[key] == new[key] else 'changed')
    counts[kind] += 1
    if mode == 'keys' and kind != 'same':
        out.write({'added': b'+', 'removed': b'-', 'changed': b'~'}[kind] + key + b'\n')
    if mode == 'lines' and kind in ('removed', 'changed'):
        out.write(b'-' + key + b' ' + old[key] + b'\n')
    if (mode == 'lines' or mode == 'delta') and kind in ('added', 'changed'):
        out.write((b'+' if mode == 'lines' else b'') + key + b' ' + new[key] + b'\n')
    if mode == 'removed' and kind == 'removed':
        out.write(key + b'\n')
if mode == 'stats':
    out.write(''.join('%-7s %d\n' % item for item in counts.items()).encode())
END

# ---- files --------------------------------------------------------------------------------------

# Returns lines in random order. Some keys have an earlier line with another value.
sub lines_of {
    my (%table) = @_;
    my @keys = sort { rand() <=> 0.5 } keys %table;
    my $early = join '', map { "$_ replaced\n" } grep { rand() < 0.1 } @keys;
    return $early . join '', map { (rand() < 0.1 ? uc : $_) . " $table{$_}\n" } @keys;
}

sub value { return join ' ', map { chr(33 + rand 90) x int rand 12 } 0 .. rand 4 }

my %old = map { uuid() => value() } 1 .. 3000;
my %new = %old;
delete $new{$_} for grep { rand() < 0.3 } keys %old;
$new{$_} = value() for grep { rand() < 0.3 } keys %new;
$new{uuid()} = value() for 1 .. 700;
my $old = write_file('old.data', lines_of(%old));
my $new = write_file('new.data', lines_of(%new) =~ s/\n\z//r);
my $empty = write_file('empty.data', '');
my $one = write_file('one.data', uuid() . " \n");
my $upper = write_file('upper.data', join '', map { uc($_) . " $old{$_}\n" } sort keys %old);
my %mode = (lines => '', keys => '--keys', stats => '--stats');

for my $pair ([$old, $new], [$new, $old], [$old, $empty], [$empty, $new], [$one, $new], [$empty, $empty], [$old, $old],
    [$old, $upper])
{
    my ($a, $b) = @$pair;
    my $names = join ' and ', map { s{.*/}{}r } $a, $b;
    my ($keys) = run_apart("python3 $model $a $b keys");
    for my $mode (sort keys %mode) {
        my ($wanted) = run_apart("python3 $model $a $b $mode");
        my ($got, $status) = run_apart("$stele diff $a $b $mode{$mode}");
        same_text($got, $wanted, "$names: $mode");
        is($status, $keys eq '' ? 0 : 1, "$names: exit status of $mode");
    }
}

# ---- sort and comm ------------------------------------------------------------------------------

# `stele scan` prints the lines in canonical form and in the order of `sort`.
run_apart("$stele scan $_ > $_.sorted") for $old, $new;
is((run_apart("sort -c $_.sorted"))[1], 0, "sort finds that $_ is in the order of keys") for $old, $new;
my ($lines) = run_apart("$stele diff $old $new");
same_text(join('', map { s/\A-//r } grep { /\A-/ } split /^/, $lines), (run_apart("comm -23 $old.sorted $new.sorted"))[0],
    'the lines after - are those that only comm -23 prints');
same_text(join('', map { s/\A\+//r } grep { /\A\+/ } split /^/, $lines), (run_apart("comm -13 $old.sorted $new.sorted"))[0],
    'the lines after + are those that only comm -13 prints');
run_apart("cut -c1-36 $_.sorted > $_.keys") for $old, $new;
my ($keys) = run_apart("$stele diff --keys $old $new");
same_text(join('', map { s/\A-//r } grep { /\A-/ } split /^/, $keys), (run_apart("comm -23 $old.keys $new.keys"))[0],
    'the keys after - are those that comm prints');
same_text(join('', map { s/\A\+//r } grep { /\A\+/ } split /^/, $keys), (run_apart("comm -13 $old.keys $new.keys"))[0],
    'the keys after + are those that comm prints');

# ---- indexes ------------------------------------------------------------------------------------

is((run_apart("$stele index $_"))[1], 0, "(index of $_)") for $old, $new;
same_text((run_apart("$stele diff $old $new"))[0], $lines, 'with index files: the same lines');
same_text((run_apart("$stele diff $old $new --build-memory 1mb --keys"))[0], $keys, '--build-memory: the same keys');

# An index with wrong bytes is found and replaced in memory.
my $index = read_file("$new.idx");
substr $index, length($index) / 2, 64, "\0" x 64;
write_file('new.data.idx', $index);
same_text((run_apart("$stele diff $old $new"))[0], $lines, 'with a damaged index: the same lines');
write_file('new.data.idx', substr $index, 0, 5000);
same_text((run_apart("$stele diff $old $new"))[0], $lines, 'with an index that was cut: the same lines');
unlink "$new.idx";

# ---- --delta ------------------------------------------------------------------------------------

chmod 0640, $new or die $!;
my ($removed, $status) = run_apart("$stele diff $old $new --delta $dir/delta.data");
is($status, 1, '--delta: exit status');
same_text($removed, (run_apart("python3 $model $old $new removed"))[0], '--delta prints the removed keys');
same_text(read_file("$dir/delta.data"), (run_apart("python3 $model $old $new delta"))[0], '--delta writes the other lines');
is(S_IMODE((stat "$dir/delta.data")[2]), 0640, 'the delta has the permissions of NEW');
is((run_apart("$stele check $dir/delta.data"))[1], 0, 'the delta is a data file');
same_text((run_apart("$stele diff $old $new --delta -"))[0], read_file("$dir/delta.data"), '--delta - prints the lines only');

# The old data and the delta give the new data, without the removed keys.
my %is_removed = map { $_ => 1 } split /\n/, $removed;
my $applied = write_file('applied.data',
    join '', grep { !$is_removed{lc substr $_, 0, 36} } split /^/, read_file($old) . read_file("$dir/delta.data"));
is((run_apart("$stele diff $applied $new --stats"))[1], 0, 'OLD with the delta, without the removed keys, is NEW');

my ($out, undef, $err) = run_apart("$stele diff $old $old --delta $dir/none.data");
is($out . read_file("$dir/none.data"), '', 'the delta of the same file is empty');

my $before = read_file("$dir/delta.data");
($out, $status, $err) = run_apart("$stele diff $new $old --delta $dir/delta.data");
is_deeply([$out, $status, $err], ['', 2, "stele: '$dir/delta.data' exists already and is not replaced\n"],
    'a file that exists is not replaced');
same_text(read_file("$dir/delta.data"), $before, 'its content is the same');
is((run_apart("$stele diff $old $new --delta $old"))[1], 2, 'OLD is not replaced');
is((run_apart("$stele diff $old $new --delta $dir/no/folder"))[1], 2, 'there is no such folder');

# What a failure leaves.
sub leftovers { return grep { /\.tmp\z|late/ } map { s{.*/}{}r } glob "$dir/*" }

($out, $status, $err) = run_apart("bash -c 'ulimit -f 16; exec $stele diff $old $new --delta $dir/late.data'");
is($status, 2, 'a delta larger than the limit of files');
like($err, qr/cannot write '\Q$dir\E\/late\.data': File too large/, 'the error says so');
($out, $status, $err) = run_apart("$stele diff $old $new --delta $dir/late.data > /dev/full");
is($status, 2, 'the removed keys cannot be printed');
is((run_apart("$stele diff $old $new $_ >/dev/full"))[1], 2, "standard output is full: diff $_") for '', '--keys', '--stats',
    '--delta -';
is_deeply([leftovers()], [], 'nothing is left');

# The pipe is not read, so the program waits there until the signal arrives.
my $pid = open(my $pipe, '-|', $stele, 'diff', $old, $empty, '--delta', "$dir/late.data") or die $!;
for (my $tries = 0; !leftovers() && $tries < 2000; $tries++) { usleep(10_000) }
isnt(scalar(my @temporary = leftovers()), 0, '(the delta has a temporary name)');
kill 'TERM', $pid;
waitpid $pid, 0;
is($? & 127, 15, 'SIGTERM ends it');
is_deeply([leftovers()], [], 'nothing is left after SIGTERM');

# ---- wrong usage, wrong files -------------------------------------------------------------------

my $bad = write_file('bad.data', uuid() . " good\nbad\n");
my %wrong = (
    "$old" => qr/^usage: stele diff OLD NEW/,
    "$old $new $one" => qr/diff compares two files/,
    "$old $new --keys --stats" => qr/--stats, --keys and --delta exclude each other/,
    "$old $new --delta x --keys" => qr/--stats, --keys and --delta exclude each other/,
    "$old $dir/missing" => qr/cannot open '\Q$dir\E\/missing': No such file or directory/,
    "$dir/missing $new" => qr/cannot open '\Q$dir\E\/missing': No such file or directory/,
    "$old $dir/missing --delta $dir/late.data" => qr/cannot open '\Q$dir\E\/missing': No such file or directory/,
    "$old $dir" => qr/regular/,
    "$old $bad" => qr/bad\.data:2: byte \d+: not a UUID: 'bad'/,
    "$bad $new --delta $dir/late.data" => qr/bad\.data:2: byte \d+: not a UUID: 'bad'/,
    "$old $new --build-memory 0" => qr/must be a size/,
    "$old $new --delta ''" => qr/must be a path/,
);
for my $words (sort keys %wrong) {
    my ($said, $code, $complaint) = run_apart("$stele diff $words");
    my $name = $words =~ s{\Q$dir\E/}{}gr;
    is($code, 2, "diff $name: exit status");
    is($said, '', "diff $name: nothing is printed");
    like($complaint, $wrong{$words}, "diff $name: the error");
}
is_deeply([leftovers()], [], 'nothing is left after an error');

done_testing();
