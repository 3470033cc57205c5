#!/usr/bin/perl
# Fault F22 (docs/faults.md): INFO persistence reports problems of the dataset, as tools that
# monitor Redis read it: a failed reload, a data file that was cut, overwritten or appended to, and
# an index that cannot be written.
use strict;
use warnings;
use File::Temp;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);

my $build = $ENV{STELE_BUILD} || 'build/release';
my $dir = File::Temp->newdir('stele-info-XXXXXX', TMPDIR => 1);
my ($data, $socket) = ("$dir/table.data", "$dir/socket");
my $PATIENCE = 30; # seconds
my $pid;
END {
    local $?;
    kill 'KILL', $pid if $pid;
}

# Writes a file and renames it to the path of the data file.
sub publish {
    my ($text) = @_;
    open my $file, '>', "$dir/next" or die $!;
    print $file $text;
    close $file;
    rename "$dir/next", $data or die $!;
}

sub lines {
    return join '', map { sprintf "00000000-0000-4000-8000-%012d value %d\n", $_, $_ } 1 .. $_[0];
}

sub start {
    $pid = open my $server, '-|', "$build/stele-server", $data, '--port', 'none', '--unixsocket',
        $socket, '--logfile', '/dev/null', @_ or die $!;
    readline($server) =~ /^ready / or die 'no ready line';
    return $server;
}

sub stop {
    my ($server) = @_;
    kill 'TERM', $pid;
    close $server;
    is($?, 0, 'the server ends well');
    undef $pid;
}

# Returns the fields of INFO persistence and dataset with their values.
sub info {
    my $client = IO::Socket::UNIX->new(Peer => $socket) or die "no connection: $!";
    my $received = '';
    print $client "INFO persistence dataset\r\nQUIT\r\n";
    $client->flush;
    1 while sysread $client, $received, 4096, length $received;
    return $received =~ /^(\w+):(.*?)\r$/mg;
}

# Waits until a field has the value. Returns the fields about dumps in one line.
sub persistence {
    my ($field, $wanted) = @_;
    my $until = time + $PATIENCE;
    my %info = info();
    while ($info{$field} ne $wanted && time < $until) {
        sleep 0.02;
        %info = info();
    }
    is($info{$field}, $wanted, "$field becomes $wanted");
    return "$info{rdb_last_bgsave_status}, $info{rdb_changes_since_last_save} changes, "
        . "$info{rdb_saves} saves, loading $info{loading}$info{async_loading}"
        . "$info{rdb_bgsave_in_progress}, $info{rdb_current_bgsave_time_sec}";
}

publish(lines(3));
my $server = start();
is(persistence('dataset_status', 'ok'), 'ok, 0 changes, 0 saves, loading 000, -1', 'a good start');
my %info = info();
is($info{rdb_last_bgsave_time_sec}, -1, 'nothing has been reloaded');
cmp_ok(abs($info{rdb_last_save_time} - time), '<', 60, 'the data was loaded just now');

publish("this is no table\n");
kill 'HUP', $pid;
is(persistence('dataset_last_reload_status', 'err'), 'err, 0 changes, 0 saves, loading 000, -1',
    'a reload that failed');
publish(lines(4));
kill 'HUP', $pid;
is(persistence('dataset_reloads', 1), 'ok, 0 changes, 1 saves, loading 000, -1', 'a reload that succeeded');
%info = info();
cmp_ok($info{rdb_last_bgsave_time_sec}, '>=', 0, 'its duration is reported');

# The file is appended to, and then cut.
open my $file, '>>', $data or die $!;
print $file lines(1);
close $file;
is(persistence('dataset_status', 'appended'), 'err, 1 changes, 1 saves, loading 000, -1',
    'lines were appended');
truncate $data, 100 or die $!;
is(persistence('dataset_status', 'truncated'), 'err, 1 changes, 1 saves, loading 000, -1',
    'the end is lost');
publish(lines(5));
kill 'HUP', $pid;
is(persistence('dataset_reloads', 2), 'ok, 0 changes, 2 saves, loading 000, -1',
    'the next reload succeeds');
stop($server);

# A folder has the path of the index file.
unlink "$data.idx";
mkdir "$data.idx" or die $!;
$server = start();
is(persistence('dataset_index_status', 'memory'), 'err, 0 changes, 0 saves, loading 000, -1',
    'the index cannot be written');
stop($server);
$server = start('--index', 'none');
is(persistence('dataset_index_status', 'memory'), 'ok, 0 changes, 0 saves, loading 000, -1',
    'no index file is needed');
stop($server);
done_testing();
