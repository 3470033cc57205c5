#!/usr/bin/perl
# Fault F10 (docs/faults.md): SIGKILL ends the writing of the index file at each of its system
# calls. The old index file is left, or none, and the next start succeeds. Fault F11: each call
# fails instead. The server serves from memory, with one warning, and leaves no file behind.
# strace(1) injects signals and errors, and also delays, to stop a server at the right moment.
use strict;
use warnings;
use Fcntl ':flock';
use File::Temp;
use IO::Socket::INET;
use POSIX ':sys_wait_h';
use Test::More;

my $build = $ENV{STELE_BUILD} || 'build/release';
my $dir = File::Temp->newdir('stele-crash-XXXXXX', TMPDIR => 1);
my ($data, $index) = ("$dir/table.data", "$dir/table.data.idx");
my @running; # process ids that are ours to end
END {
    local $?;
    kill 'KILL', @running;
}
# The leak check needs ptrace, which strace uses already.
$ENV{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'detect_leaks=0';

plan skip_all => 'strace cannot trace here'
    if system('strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true') != 0;

# With this option, the kernel stops the program only at the traced calls, and not at all calls.
my @only_those =
    system('strace --seccomp-bpf -f -qq -o /dev/null -e trace=fsync true 2>/dev/null') == 0
        ? '--seccomp-bpf' : ();

# ---- helpers ------------------------------------------------------------------------------------

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or return undef;
    local $/;
    return readline $file;
}

sub spit {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or die "$path: $!";
    print $file $text;
    close $file or die "$path: $!";
}

sub key { sprintf '%08x-0000-4000-8000-%012x', $_[0] * 2654435761 % 2**32, $_[0] }

# A table of `count` keys. Each value contains `mark`.
sub table {
    my ($count, $mark) = @_;
    return join '', map { key($_) . " $mark$_\n" } 1 .. $count;
}

# The command line of strace that injects something into the program whose words follow.
sub injecting {
    my ($call, $what, $when, @only) = @_;
    return ('strace', @only_those, '-f', '-qq', '-o', '/dev/null', '-e', "trace=$call", @only,
            '-e', "inject=$call:$what:when=$when");
}

# Runs a program. Returns what it prints on both streams, and its exit code, or 1000 + the signal.
sub run {
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @_ or POSIX::_exit(127);
    }
    local $/;
    my $said = readline($out) // '';
    close $out;
    return ($said, $? & 127 ? 1000 + ($? & 127) : $? >> 8);
}

# The files that a writer creates beside the index file: its lock and temporary files.
sub beside { glob "$index.*" }

# The numbers of the calls of openat, counted from 1, that open the index folder or a file in it.
sub opened_beside {
    my $trace = "$dir/trace";
    run('strace', '-qq', '-o', $trace, '-e', 'trace=openat', "$build/stele", 'index', $data);
    my @calls = split /\n/, slurp($trace);
    unlink $trace;
    return grep { $calls[$_ - 1] =~ /\Q$dir\E/ } 1 .. @calls;
}

# Checks the files after a writer was ended, and that the next writer succeeds.
sub is_recovered {
    my ($old, $name) = @_;
    my $left = slurp($index);
    my @wrong;
    if (defined $left && (!defined $old || $left ne $old)) {
        my ($said, $code) = run("$build/stele", 'check', '--index', $data);
        push @wrong, "a broken index is left: $said" if $code != 0;
    }
    push @wrong, 'the old index is removed' if defined $old && !defined $left;
    my ($said, $code) = run("$build/stele", 'index', $data);
    push @wrong, "the next start: $said" if $code != 0;
    push @wrong, 'files are left: ' . join ' ', beside() if beside();
    ($said, $code) = run("$build/stele", 'check', '--index', $data);
    push @wrong, "the index then: $said" if $code != 0;
    is_deeply(\@wrong, [], $name);
}

# ---- SIGKILL (F10) ------------------------------------------------------------------------------

spit($data, table(500, 'b'));
is((run("$build/stele", 'index', $data))[1], 0, 'an index of other data');
my $stale = slurp($index);
unlink $data;
spit($data, table(500, 'a'));
is((run("$build/stele", 'index', $data))[1], 0, 'an index of this data');
my $young = slurp($index); # it must be verified and stamped, as its data is younger than 2 s
for my $case (['without an index', undef], ['beside an old index', $stale], ['stamping', $young]) {
    my ($kind, $old) = @$case;
    for my $call (qw(openat flock ftruncate fallocate pwrite64 fsync rename unlink)) {
        my $code = 0;
        my @moments = (1 .. 40);
        if ($call eq 'openat') { # only the files beside the index matter, and one more call
            unlink $index, beside();
            spit($index, $old) if defined $old;
            @moments = (opened_beside(), 1000);
            cmp_ok(scalar @moments, '>', 2, "$kind: opens files");
        }
        for my $k (@moments) {
            unlink $index, beside();
            spit($index, $old) if defined $old;
            (my $said, $code) = run(injecting($call, 'signal=KILL', $k), "$build/stele", 'index', $data);
            last if $code == 0;
            is($code, 1009, "$kind, $call $k: killed") or diag($said);
            is_recovered($old, "$kind, killed at $call $k");
        }
        is($code, 0, "$kind: and no more calls of $call");
    }
}

# ---- errors (F11) ------------------------------------------------------------------------------

my @errors = (
    [openat => [qw(EACCES EROFS ENOSPC EDQUOT EMFILE)], '-P', "$index.lock"],
    [flock => [qw(ENOLCK)]],
    [ftruncate => [qw(EIO)]],
    [fallocate => [qw(ENOSPC EDQUOT EIO EROFS)]],
    [pwrite64 => [qw(ENOSPC EDQUOT EIO)]],
    [fsync => [qw(EIO ENOSPC EDQUOT)]],
    [rename => [qw(EACCES EROFS ENOSPC EIO)]],
);
for my $case (@errors) {
    my ($call, $names, @only) = @$case;
    for my $name (@$names) {
        for my $when ($call eq 'pwrite64' ? (1, 2, 3) : $call eq 'openat' ? '1+' : 1) {
            my $old = $name eq 'EIO' ? $stale : undef;
            unlink $index;
            spit($index, $old) if defined $old;
            my ($said, $code) = run(injecting($call, "error=$name", $when, @only),
                                    "$build/stele", 'index', $data);
            my $errors = () = $said =~ /^stele: cannot write '/mg;
            ok($code == 2 && $said !~ /^keys|serving/m && $errors == 1,
               "$call $when fails with $name: exit code, no figures, one error")
                or diag("$code: $said");
            my $left = slurp($index);
            ok(defined $old ? $left eq $old : !defined $left, 'the index file has not changed');
            is_deeply([beside()], [], 'no file is left behind');
        }
    }
}
# Failures that do no harm.
for my $case ([fallocate => 'EOPNOTSUPP', 1], [fallocate => 'EINVAL', 1], [fsync => 'EIO', 2],
              [pwrite64 => 'EINTR', 2]) {
    my ($call, $name, $when) = @$case;
    unlink $index;
    my ($said, $code) = run(injecting($call, "error=$name", $when), "$build/stele", 'index', $data);
    is($code, 0, "$call $when fails with $name: the index is written nevertheless") or diag($said);
    is((run("$build/stele", 'check', '--index', $data))[1], 0, 'the index is right');
}

# ---- the lock (F12) -----------------------------------------------------------------------------

# A process has opened the lock file. Before it gets the lock, a builder publishes its index and
# removes the lock file. The process then holds the lock of a file without a name, which does not
# count, and must find the index.
is((run("$build/stele", 'index', $data))[1], 0, 'an index to publish');
my $good = slurp($index);
rename $index, "$dir/made" or BAIL_OUT("cannot rename: $!");
umask 077;
spit("$index.lock", '');
open my $held, '+<', "$index.lock" or BAIL_OUT("cannot open: $!");
flock $held, LOCK_EX | LOCK_NB or BAIL_OUT("cannot lock: $!");
my $late = fork // die "fork: $!";
if ($late == 0) {
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    exec injecting('flock', 'delay_enter=2000000', 1), "$build/stele", 'index', $data
        or POSIX::_exit(127);
}
push @running, $late;
my $opened = 0;
for (1 .. 6000) {
    my $children = slurp("/proc/$late/task/$late/children") // '';
    last if $opened = grep { (readlink $_ // '') eq "$index.lock" } map { glob "/proc/$_/fd/*" } split ' ', $children;
    select undef, undef, undef, 0.01;
}
ok($opened, 'another process has opened the lock');
rename "$dir/made", $index or BAIL_OUT("cannot rename: $!");
unlink "$index.lock";
my $inode = (stat $index)[1];
close $held;
waitpid $late, 0;
is($?, 0, 'the other process ends well');
@running = ();
ok(substr(slurp($index) // '', 4096) eq substr($good, 4096), # the header may have been stamped
   'the published index file has not changed');
is((stat $index)[1], $inode, 'it is still the same file');
is_deeply([beside()], [], 'no file is left behind');

# ---- servers ------------------------------------------------------------------------------------

my @options; # of the server

# Starts a server under the command line in `words`. Returns the process ids of strace and of the
# server, and its port.
sub start {
    my ($log, @words) = @_;
    unlink $log;
    my $tracer = fork // die "fork: $!";
    if ($tracer == 0) {
        open STDOUT, '>>', $log;
        open STDERR, '>>', $log;
        exec @words, "$build/stele-server", $data, '--port', 0, @options or POSIX::_exit(127);
    }
    push @running, $tracer;
    my ($said, $port, $server) = ('');
    for (1 .. 6000) {
        $said = slurp($log) // '';
        ($port) = $said =~ /^ready 127\.0\.0\.1:(\d+) /m;
        ($server) = $said =~ /^(\d+):M /m;
        last if $port && $server;
        select undef, undef, undef, 0.01;
    }
    BAIL_OUT("no server: $said") if !$server;
    push @running, $server;
    return ($tracer, $server, $port);
}

sub wait_for {
    my ($log, $pattern) = @_;
    for (1 .. 6000) {
        return 1 if (slurp($log) // '') =~ $pattern;
        select undef, undef, undef, 0.01;
    }
    return 0;
}

sub answers {
    my ($port) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 20)
        or return "cannot connect: $!";
    my $key = key(77);
    print $socket "*2\r\n\$3\r\nGET\r\n\$36\r\n$key\r\n";
    return join '', map { scalar readline $socket } 1, 2;
}

sub stop {
    my ($tracer, $server) = @_;
    kill 'TERM', $server;
    waitpid $tracer, 0;
    my $status = $?;
    @running = ();
    return $status & 127 ? 1000 + ($status & 127) : $status >> 8;
}

for my $case ([fallocate => 'ENOSPC'], [pwrite64 => 'ENOSPC'], [fsync => 'EIO'], [rename => 'EROFS'],
              [mmap => 'ENODEV', '-P', $index]) {
    my ($call, $name, @only) = @$case;
    my $log = "$dir/log";
    unlink $index;
    my ($tracer, $server, $port) = start($log, injecting($call, "error=$name", '1+', @only));
    my $wanted = $call eq 'mmap' ? qr/ \* wrote '/ : qr/ # cannot write .*: serving from memory\n/;
    ok(wait_for($log, $wanted), "a server whose $call fails with $name logs it");
    is(answers($port), "\$3\r\na77\r\n", 'it serves');
    is(stop($tracer, $server), 0, 'exit code');
    my $warnings = () = slurp($log) =~ / # /g;
    is($warnings, $call eq 'mmap' ? 0 : 1, 'warnings');
    is_deeply([beside()], [], 'no file is left behind');
}

# SIGTERM while the index is written. Each call is delayed so that the signal arrives before it
# ends.
for my $case ([fsync => 300_000], [pwrite64 => 150_000], [fallocate => 300_000], [rename => 300_000]) {
    my ($call, $delay) = @$case;
    my $log = "$dir/log";
    unlink $index;
    my ($tracer, $server, $port) = start($log, injecting($call, "delay_enter=$delay", '1+'));
    is(answers($port), "\$3\r\na77\r\n", "served while $call takes long");
    is(stop($tracer, $server), 0, 'SIGTERM meanwhile: exit code');
    is_deeply([beside()], [], 'no temporary file is left');
    is_recovered(undef, "the next start succeeds after $call");
}

# SIGTERM while the index is verified. The verification calls madvise for each MiB of data.
@options = ('--index-trust', 'sampled');
unlink $data, $index;
spit($data, table(200_000, 'a'));
is((run("$build/stele", 'index', $data))[1], 0, 'an index to verify');
my $log = "$dir/log";
my ($tracer, $server, $port) = start($log, injecting('madvise', 'delay_enter=100000', '5+'));
is(answers($port), "\$3\r\na77\r\n", 'served while it is verified');
is(stop($tracer, $server), 0, 'SIGTERM meanwhile: exit code');
my $said = slurp($log);
like($said, qr/ \* mapped the index/, 'the index was mapped');
unlike($said, qr/verified|building| # /, 'it was neither verified nor found wrong');
@options = ();
is_recovered(slurp($index), 'the next start succeeds');
done_testing();
