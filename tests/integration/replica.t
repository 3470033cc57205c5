#!/usr/bin/env perl
# A redis-server is configured as a replica of Stele, which does not support replication. It must find
# out that it cannot replicate, and must not try more than once a second. That must hold without a password, with the
# right password, with a missing or wrong one, and with a password that Stele does not require.
use strict;
use warnings;
use File::Temp 'tempdir';
use Test::More;
use Time::HiRes qw(time sleep);

my $build = $ENV{STELE_BUILD} // 'build/release';
my $folder = tempdir(CLEANUP => 1);
$ENV{PATH} .= ':build/services/bin'; # where .ci/need unpacks redis-server
my @running;

sub stop {
    kill TERM => @running;
    waitpid $_, 0 for @running;
    @running = ();
}
$SIG{ALRM} = sub { stop(); die "no answer in time\n" };
END { stop() if @running }
alarm 120;

# Returns a field of INFO.
sub field {
    my ($where, $section, $name) = @_;
    my ($value) = `redis-cli $where --no-auth-warning INFO $section 2>&1` =~ /^$name:(.*?)\r?$/m;
    return $value // '';
}

sub attempts {
    my ($name, $password, $known) = @_;
    my $pid = open my $server, '-|', "$build/stele-server", 'example.data', '--port', '0',
        '--logfile', '/dev/null', $password ? ('--requirepass', $password) : () or die $!;
    push @running, $pid;
    my ($port) = (<$server> // '') =~ /^ready 127\.0\.0\.1:(\d+) / or die "no ready line\n";
    my $ours = "-p $port" . ($password ? " -a $password" : '');
    my $replica = fork // die $!;
    if ($replica == 0) {
        open STDOUT, '>', "$folder/log";
        exec 'redis-server', '--port', '0', '--unixsocket', "$folder/replica", '--save', '',
            '--dir', $folder, '--replicaof', '127.0.0.1', $port,
            $known ? ('--masterauth', $known) : () or exit 1;
    }
    push @running, $replica;
    my $theirs = "-s $folder/replica";
    sleep 0.01 until field($theirs, 'replication', 'role') eq 'slave';
    my $asked = 1; # connections that the test itself has made
    my $before = field($ours, 'stats', 'total_connections_received');
    my $began = time;
    my $count = 0;
    do {
        sleep 0.2;
        $asked++;
        $count = field($ours, 'stats', 'total_connections_received') - $before - $asked + 1;
    } until $count >= 2;
    my $took = time - $began;
    cmp_ok($count, '<=', $took + 3, "$name: $count attempts in " . int($took) . ' seconds');
    is(field($theirs, 'replication', 'master_link_status'), 'down', "$name: the replica reports that its link is down");
    stop();
    close $server;
}

attempts('no password', undef, undef);
attempts('the right password', 'secret', 'secret');
attempts('a missing password', 'secret', undef);
attempts('a wrong password', 'secret', 'other');
attempts('a password that is not required', undef, 'secret');
done_testing();
