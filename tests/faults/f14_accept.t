#!/usr/bin/perl
# accept4(2) fails in each way it can: the failures are counted and none ends the server; where the
# system is short of something there is a pause before the next try, where it was one connection
# there is none, and when each one fails the loop does not spin. strace(1) injects the errors.
use strict;
use warnings;
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes 'time';

my $build = $ENV{STELE_BUILD} || 'build/release';
my $dir = File::Temp->newdir('stele-accept-XXXXXX', TMPDIR => 1);
my @running; # process ids that are ours to end
END {
    local $?;
    kill 'KILL', @running;
}
# The leak check needs ptrace, too, and strace has it.
$ENV{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'detect_leaks=0';

plan skip_all => 'strace cannot trace here'
    if system('strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true') != 0;

open my $file, '>', "$dir/data" or die $!;
print $file "0f8fad5b-d9cb-469f-a165-70867728950e value\n";
close $file;

# A server whose accepts fail as told; its port and our strace's process id.
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

# What is said, and what the server says to it within `patience` seconds.
sub ask {
    my ($socket, $said, $patience) = @_;
    syswrite $socket, $said;
    return '' if !IO::Select->new($socket)->can_read($patience);
    sysread $socket, my $heard, 65536;
    return $heard // '';
}

sub info {
    my ($socket, $field) = @_;
    my $info = ask($socket, "INFO\r\n", 20);
    return $info =~ /^$field:(\d+)/m ? $1 : -1;
}

sub stop {
    my ($socket, $pid, $out) = @_;
    kill 'TERM', info($socket, 'process_id');
    close $out; # which waits for it
    @running = grep { $_ != $pid } @running;
    return $? & 127 ? 1000 + ($? & 127) : $? >> 8;
}

sub logged {
    open my $log, '<', "$dir/log" or die $!;
    return scalar grep { /cannot accept connections for now/ } readline $log;
}

# How often the accepting loop has waited in vain, for a time to pass, between its first failure to
# accept and the client that gets in. Without a pause the socket that can be read is what it finds.
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
    return -1; # nobody gets in
}

my %paced = map { $_ => 1 } qw(EMFILE ENFILE ENOMEM ENOBUFS);
for my $error (sort(keys %paced), qw(ECONNABORTED EPROTO EPERM EINTR EAGAIN)) {
    my ($port, $pid, $out) = start($error, '1..5');
    my $began = time;
    my $socket = dial($port);
    is(ask($socket, "PING\r\n", 20), "+PONG\r\n", "$error, 5 times: then the client gets in");
    my $took = time - $began;
    # It is readable still, so no pause is needed until EAGAIN is true.
    my $pauses = pauses();
    ok($paced{$error} ? $took >= 0.45 && $pauses >= 5 : $pauses == 0,
       sprintf '%s: after %d pauses, %.2f s', $error, $pauses, $took);
    is(info($socket, 'accept_errors'), $error eq 'EAGAIN' ? 0 : 5, "$error: counted");
    is(logged(), $paced{$error} ? 1 : 0, "$error: told in the log if it is everybody's");
    is(stop($socket, $pid, $out), 0, "$error: the exit code");
}

# From the third one on. The kernel takes an aborted connection from the queue, strace does not: so
# this is what it is like when every try fails.
for my $error (qw(EMFILE EPERM)) {
    my ($port, $pid, $out) = start($error, '3+');
    my $present = dial($port);
    is(ask($present, "PING\r\n", 20), "+PONG\r\n", "$error for ever: one has come before");
    my $before = info($present, 'accept_errors');
    my $began = time;
    my $waiting = dial($port);
    is(ask($waiting, "PING\r\n", 1), '', "$error for ever: another waits");
    my $errors = info($present, 'accept_errors') - $before;
    my $pauses = 2 + (time - $began) / 0.1;
    my $most = $error eq 'EMFILE' ? $pauses : 128 * $pauses;
    ok($errors > 0 && $errors <= $most, "$error for ever: $errors tries") or diag("$most allowed");
    is(ask($present, "PING\r\n", 20), "+PONG\r\n", "$error for ever: who is present is answered");
    is(logged(), 1, "$error for ever: told once");
    is(stop($present, $pid, $out), 0, "$error for ever: the exit code");
}

done_testing;
