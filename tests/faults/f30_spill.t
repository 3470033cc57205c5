#!/usr/bin/perl
# Fault F30 (docs/faults.md): the records of an index do not fit into the memory for the build, and
# are sorted in a temporary file. SIGKILL ends the build, or a call on that file fails, at each kind
# of step. The index is right or absent then, and no file is left after the next start. strace(1)
# injects signals and errors.
use strict;
use warnings;
use File::Temp;
use POSIX ();
use Test::More;

my $build = $ENV{STELE_BUILD} || 'build/release';
my $dir = File::Temp->newdir('stele-spill-XXXXXX', TMPDIR => 1);
my ($data, $index) = ("$dir/table.data", "$dir/table.data.idx");
# More records than fit into 8 MiB, the least that a build gets. `taskset` gives the build a single
# thread, so that all of its calls have the same numbers each time.
my @alone = ('taskset', '-c', (`taskset -cp $$` =~ /: (\d+)/)[0]);
my @tool = "$build/stele";
my @indexing = ('index', $data, '--build-memory', '8mb');
# The leak check needs ptrace, which strace uses already.
$ENV{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'detect_leaks=0';

plan skip_all => 'strace cannot trace here'
    if system('strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true') != 0;

# Starts a program. Returns a handle for what it prints on both streams.
sub start {
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @_ or POSIX::_exit(127);
    }
    return $out;
}

# Waits for its end. Returns what it has printed, and its exit code, or 1000 + the signal.
sub end_of {
    my ($out) = @_;
    local $/;
    my $said = readline($out) // '';
    close $out;
    return ($said, $? & 127 ? 1000 + ($? & 127) : $? >> 8);
}

sub run { end_of(start(@_)) }

# Runs the build under strace, which injects something into each of the calls in `faults`.
sub inject {
    my (@faults) = @_;
    unlink $index;
    my $calls = join ',', map { /^(\w+):/ } @faults;
    return run(@alone, 'strace', '-f', '-qq', '-o', '/dev/null', '-e', "trace=$calls",
               (map { ('-e', "inject=$_") } @faults), @tool, @indexing);
}

# All files in the folder except the data and the index.
sub others { grep { $_ ne $data && $_ ne $index } glob "$dir/*" }

sub is_right {
    my ($name) = @_;
    my ($said, $code) = run(@tool, 'check', '--index', $data);
    is($code, 0, "$name: the index is right") or diag($said);
    is_deeply([others()], [], "$name: no file is left");
}

is(system("$build/../release/tests/bench/generate 420k --values 0..8 >'$data'"), 0, 'a data file');

# ---- the calls of a build -----------------------------------------------------------------------

my $trace = File::Temp->new(TEMPLATE => 'stele-trace-XXXXXX', TMPDIR => 1);
my ($said, $code) = run(@alone, 'strace', '-f', '-y', '-qq', '-o', "$trace", '-e',
                        'trace=openat,pwrite64,pread64,fallocate', @tool, @indexing);
is($code, 0, 'a build') or diag($said);
plan skip_all => 'the folder has no room for temporary files' if $said !~ /^stele: sorting the keys/m;
like($said, qr/^stele: sorting the keys of '\Q$data\E' in a temporary file in '\Q$dir\E\/'$/m,
     'it says where it sorts the keys');
is_right('a build');
my (%made, %calls); # numbers of calls made so far; numbers of those on the temporary file
while (<$trace>) {
    my ($call, $rest) = /^\d+ +(\w+)\((.*)/ or next;
    $made{$call}++;
    push @{$calls{$call}}, $made{$call}
        if $call eq 'openat' ? $rest =~ /O_TMPFILE/ : $rest =~ /^\d+<[^>]*\/#\d+/;
}
is(scalar @{$calls{openat} // []}, 1, 'one file without a name');
cmp_ok(scalar @{$calls{$_} // []}, '>', 1, "calls of $_ on it") for qw(pwrite64 pread64 fallocate);

# ---- SIGKILL ------------------------------------------------------------------------------------

# The first, one in the middle, and the last.
sub some { map { $_[0][$_ * $#{$_[0]} / 2] } 0 .. 2 }

for my $case ([openat => 0], [pwrite64 => 0, 1, 2], [pread64 => 1, 2], [fallocate => 0]) {
    my ($call, @which) = @$case;
    for my $number ((some($calls{$call}))[@which]) {
        ($said, $code) = inject("$call:signal=KILL:when=$number");
        is($code, 1009, "$call $number: killed") or diag($said);
        ok(!-e $index, 'there is no index');
        is((run(@tool, 'index', $data))[1], 0, 'the next start succeeds');
        is_right("killed at $call $number");
    }
}
# The file system does not support files without a name, so the file has one for a moment.
my $open = "openat:error=EOPNOTSUPP:when=$calls{openat}[0]";
($said, $code) = inject($open, 'unlink:signal=KILL:when=1');
is($code, 1009, 'a file with a name: killed before the name is removed') or diag($said);
is(scalar(grep { /\Q$index\E\.[0-9a-f]{16}\.tmp$/ } others()), 2, 'two temporary files are left');
is((run(@tool, 'index', $data))[1], 0, 'the next start succeeds');
is_right('killed before the name is removed');
($said, $code) = inject($open);
is($code, 0, 'a file with a name') or diag($said);
is_right('a file with a name');

# ---- errors -------------------------------------------------------------------------------------

for my $case (['pwrite64', 'write to', 'ENOSPC', 0, 'No space left on device'],
              ['pwrite64', 'write to', 'EDQUOT', 2, 'Disk quota exceeded'],
              ['pwrite64', 'write to', 'EIO', 1, 'Input/output error'],
              ['pread64', 'read from', 'EIO', 0, 'Input/output error'],
              ['pread64', 'read from', 'EIO', 2, 'Input/output error']) {
    my ($call, $what, $error, $which, $reason) = @$case;
    my $number = (some($calls{$call}))[$which];
    ($said, $code) = inject("$call:error=$error:when=$number");
    is($code, 0, "$call $number fails with $error: the index is built without that file") or diag($said);
    like($said, qr/^stele: cannot $what a temporary file in '\Q$dir\E\/': $reason: reading '\Q$data\E' several times$/m,
         'it says what it cannot do, where and why');
    is_right("$call $number fails with $error");
}
for my $case (['EACCES', 'Permission denied'], ['EROFS', 'Read-only file system'],
              ['EMFILE', 'Too many open files']) {
    my ($error, $reason) = @$case;
    ($said, $code) = inject("openat:error=$error:when=$calls{openat}[0]+");
    ok($code == 0 || $said =~ /cannot write '\Q$index\E/, "the file cannot be created: $error")
        or diag($said);
    like($said, qr/^stele: no temporary file of \d+ MiB in '\Q$dir\E\/': $reason: reading '\Q$data\E' several times$/m,
         'it says why it reads the data several times');
}
# Nothing depends on whether the space of records that were read can be freed.
($said, $code) = inject("fallocate:error=EOPNOTSUPP:when=$calls{fallocate}[0]");
is($code, 0, 'the space on the disk cannot be freed') or diag($said);
unlike($said, qr/several times/, 'the build continues');
is_right('the space on the disk cannot be freed');

# ---- two builders -------------------------------------------------------------------------------

unlink $index;
my %builders = map { $_ => start(@tool, @indexing, '--index', "$dir/$_.idx") } 'a', 'b';
for my $name (sort keys %builders) {
    ($said, $code) = end_of($builders{$name});
    is($code, 0, "two builders at once: $name ends well") or diag($said);
    like($said, qr/^stele: sorting the keys/m, "$name has a temporary file of its own");
    rename "$dir/$name.idx", $index or die $!;
    is((run(@tool, 'check', '--index', $data))[1], 0, 'its index is right');
}
is_deeply([others()], [], 'no file is left');
done_testing();
