#!/usr/bin/perl
# Fault F16 (docs/faults.md): the system calls of a starting server fail, one at a time: mappings
# are refused, and files, sockets and threads cannot be opened or started. The server says why in
# one line and ends, or serves. If a call fails before the program itself runs, the loader prints
# its own message. tests/faults/f10_index_broken_off.t tests the calls that write the index file.
use strict;
use warnings;
use File::Temp;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

my $build = $ENV{STELE_BUILD} || 'build/release';
my $dir = File::Temp->newdir('stele-start-XXXXXX', TMPDIR => 1);
my ($data, $index, $socket, $trace) = map { "$dir/$_" } qw(table.data table.data.idx socket trace);
my $key = '00000000-0000-4000-8000-000000000001';
my $PATIENCE = 20; # seconds

plan skip_all => 'the sanitizers make system calls of their own' if $build =~ /asan|tsan/;
plan skip_all => 'strace cannot trace here'
    if system('strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true') != 0;

# With this option, the kernel stops the program only at the traced calls, and not at all calls.
my @only_those =
    system('strace --seccomp-bpf -f -qq -o /dev/null -e trace=fsync true 2>/dev/null') == 0
        ? '--seccomp-bpf' : ();

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return readline($file) // '';
}

# Gets the key over a new connection. Returns what the server sends.
sub get {
    my $client = IO::Socket::UNIX->new(Peer => $socket) or return "no connection: $!";
    my $received = '';
    print $client "GET $key\r\nQUIT\r\n";
    $client->flush;
    1 while sysread $client, $received, 1024, length $received;
    return $received;
}

# Gets the key and stops the server. Returns what was wrong. The failing call may be that of the
# first connection, so there is a second try.
sub ask {
    my $wanted = "\$5\r\nvalue\r\n+OK\r\n";
    my $received = get();
    $received = get() if $received ne $wanted && index($wanted, $received) == 0;
    my $client = IO::Socket::UNIX->new(Peer => $socket) or return "no connection: $!";
    print $client "SHUTDOWN\r\n";
    $client->flush;
    1 while sysread $client, my $ignored, 1024;
    return $received eq $wanted ? () : "received '$received'";
}

# Returns the number of mappings that the loader makes. It does not report all refusals well, so
# these are not tested.
sub maps_of_loader {
    my $version = `strace @only_those -f -qq -o $trace -e trace=mmap $build/stele-server --version`;
    die 'cannot trace' if $? != 0;
    return scalar(() = slurp($trace) =~ /mmap\(/g);
}

# Starts a server whose call number `when` of `call` fails. Returns whether it did, and what was
# wrong.
sub start {
    my ($call, $error, $when) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', "$dir/err" or die $!;
        exec 'strace', @only_those, '-f', '-qq', '-o', $trace, '-e', "trace=$call",
            '-e', "inject=$call:error=$error:when=$when", "$build/stele-server", $data, '--port', 0,
            '--unixsocket', $socket, '--threads', 2, '--enable-shutdown-command', 'yes'
            or POSIX::_exit(127);
    }
    my @wrong;
    local $SIG{ALRM} = sub { push @wrong, 'it hangs'; kill 'KILL', $pid };
    alarm $PATIENCE;
    my $ready = readline($out) // '';
    # If standard output cannot be written, the log says so, and the server is ready.
    my $serves = $ready =~ /^ready / || slurp("$dir/err") =~ /cannot write to standard output/;
    push @wrong, ask() if $serves;
    1 while readline $out;
    close $out;
    alarm 0;
    my ($code, $signal) = ($? >> 8, $? & 127);
    my $said = slurp("$dir/err");
    my @reasons = $said =~ /^(?:stele-server|\S+: error while loading|\S*stele-server): .*$/mg;
    push @wrong, "ended by signal $signal" if $signal;
    push @wrong, "exit status $code though it served" if $serves && $code != 0;
    push @wrong, 'ended well though it did not serve' if !$serves && $code == 0;
    push @wrong, 'no reason, or more than one' if !$serves && !$signal && @reasons != 1;
    return (slurp($trace) =~ /\(INJECTED\)/ ? 1 : 0, map { "$call $error, $when: $_: $said" } @wrong);
}

open my $file, '>', $data or die $!;
print $file "$key value\n";
close $file;

my @calls = (
    [mmap => qw(ENOMEM ENODEV)], [madvise => qw(EINVAL)], [munmap => qw(ENOMEM)],
    [openat => qw(EMFILE)], [newfstatat => qw(EIO)], [read => qw(EIO)],
    [pread64 => qw(EIO)], [epoll_create1 => qw(EMFILE)], [epoll_wait => qw(EINTR)], [eventfd2 => qw(EMFILE)], [socket => qw(EMFILE)],
    [setsockopt => qw(ENOPROTOOPT)], [bind => qw(EADDRINUSE)], [listen => qw(EADDRINUSE)],
    [getsockname => qw(ENOBUFS)], [getrandom => qw(ENOSYS)], [clone3 => qw(EAGAIN)],
    [prlimit64 => qw(EPERM)], [sched_getaffinity => qw(ENOSYS)], [fcntl => qw(EINVAL)],
);
my $tried = 0;
for my $case (@calls) {
    my ($call, @errors) = @$case;
    for my $error (@errors) {
        my $first = $call eq 'mmap' ? maps_of_loader() : 0;
        my ($failed, $k, @wrong) = (1, $first);
        while ($failed && $k < 60) {
            unlink $index;
            ($failed, my @found) = start($call, $error, ++$k);
            push @wrong, @found;
        }
        $tried += $k - 1 - $first;
        is_deeply(\@wrong, [], sprintf "%s, %s: %u calls", $call, $error, $k - 1 - $first) or diag(@wrong);
    }
}
diag("$tried calls failed") if $ENV{TEST_VERBOSE};
done_testing();
