#!/usr/bin/perl
# Fault F14 (docs/faults.md): accept4(2) fails with each error that it can have. The failures are
# counted, and none ends the server. After a shortage of resources the server pauses before it tries
# again. After an error of one connection it does not. If every call fails, the loop does not spin.
# strace(1) injects the errors.
use strict;
use warnings;
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes 'time';

my $build = $ENV{STELE_BUILD} || 'build/release';
my $dir = File::Temp->newdir('stele-accept-XXXXXX', TMPDIR => 1);
my @running; # process ids that the test must end
END {
    local $?;
    kill 'KILL', @running;
}
# The leak check needs ptrace, which strace uses already.
$ENV{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'detect_leaks=0';

plan skip_all => 'strace cannot trace here'
    if system('strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true') != 0;

open my $file, '>', "$dir/data" or die $!;
print $file "0f8fad5b-d9cb-469f-a165-70867728950e value\n";
close $file;

# Starts a server whose accept4 fails with `error` at the calls `when`. Returns its port, the
# process id of strace, and its output.
sub start {
    my ($error, $when) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', "$dir/log";
        exec 'strace', '-f', '-qq', '-o', "$dir/trace", '-e', 'trace=accept4,epoll_wait,epoll_pwait',
            '-e', "inject=accept4:error=$error:when=$when", "$build/stele-server", "$dir/data",
            '--index', 'none', '--port', '0', '--threads', '2';
    }
    push @running, $pid;
    my ($port) = (readline($out) // '') =~ /^ready 127\.0\.0\.1:(\d+) / or die 'no ready line';
    return ($port, $pid, $out);
}

sub dial {
    my ($port) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) || die "connect: $@";
}

# Sends `said` and returns what the server sends within `patience` seconds.
sub ask {
    my ($socket, $said, $patience) = @_;
    syswrite $socket, $said;
    return '' if !IO::Select->new($socket)->can_read($patience);
    sysread $socket, my $received, 65536;
    return $received // '';
}

sub info {
    my ($socket, $field) = @_;
    my $info = ask($socket, "INFO\r\n", 20);
    return $info =~ /^$field:(\d+)/m ? $1 : -1;
}

sub stop {
    my ($socket, $pid, $out) = @_;
    kill 'TERM', info($socket, 'process_id');
    close $out; # waits for strace
    @running = grep { $_ != $pid } @running;
    return $? & 127 ? 1000 + ($? & 127) : $? >> 8;
}

sub logged {
    open my $log, '<', "$dir/log" or die $!;
    return scalar grep { /cannot accept connections for now/ } readline $log;
}

# Returns the number of pauses between the first failure to accept and the accepted client. A pause
# is a wait that ends without an event. Without a pause, the readable socket is an event.
sub pauses {
    open my $trace, '<', "$dir/trace" or die $!;
    my ($thread, $pauses) = (0, 0);
    while (my $line = readline $trace) {
        my ($id, $call, $result) =
            $line =~ /^(\d+) .*?(accept4|epoll_p?wait)\b.* = (-?\d+)/ or next;
        $thread = $id if !$thread && $call eq 'accept4' && $line =~ /\(INJECTED\)/;
        next if !$thread || $id != $thread;
        return $pauses if $call eq 'accept4' && $result >= 0;
        $pauses++ if $call ne 'accept4' && $result == 0;
    }
    return -1; # no client is accepted
}

my %paced = map { $_ => 1 } qw(EMFILE ENFILE ENOMEM ENOBUFS);
for my $error (sort(keys %paced), qw(ECONNABORTED EPROTO EPERM EINTR EAGAIN)) {
    my ($port, $pid, $out) = start($error, '1..5');
    my $began = time;
    my $socket = dial($port);
    is(ask($socket, "PING\r\n", 20), "+PONG\r\n", "$error, 5 times: then the client is accepted");
    my $took = time - $began;
    # The socket stays readable, so the server need not pause before accept4 really returns EAGAIN.
    my $pauses = pauses();
    ok($paced{$error} ? $took >= 0.45 && $pauses >= 5 : $pauses == 0,
       sprintf '%s: after %d pauses, %.2f s', $error, $pauses, $took);
    is(info($socket, 'accept_errors'), $error eq 'EAGAIN' ? 0 : 5, "$error: the errors are counted");
    is(logged(), $paced{$error} ? 1 : 0, "$error: logged if it concerns all clients");
    is(stop($socket, $pid, $out), 0, "$error: the exit code");
}

# From the third call on, every call fails. The kernel would remove an aborted connection from its
# queue, but strace does not, so the server finds it again.
for my $error (qw(EMFILE EPERM)) {
    my ($port, $pid, $out) = start($error, '3+');
    my $present = dial($port);
    is(ask($present, "PING\r\n", 20), "+PONG\r\n", "$error for ever: an earlier client is answered");
    my $before = info($present, 'accept_errors');
    my $began = time;
    my $waiting = dial($port);
    is(ask($waiting, "PING\r\n", 1), '', "$error for ever: a new client waits");
    my $errors = info($present, 'accept_errors') - $before;
    my $pauses = 2 + (time - $began) / 0.1;
    my $most = $error eq 'EMFILE' ? $pauses : 128 * $pauses;
    ok($errors > 0 && $errors <= $most, "$error for ever: $errors tries") or diag("$most allowed");
    is(ask($present, "PING\r\n", 20), "+PONG\r\n", "$error for ever: the earlier client is still answered");
    is(logged(), 1, "$error for ever: logged once");
    is(stop($present, $pid, $out), 0, "$error for ever: the exit code");
}

done_testing;
