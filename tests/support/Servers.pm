# What scripts share that start servers and ask them. The servers are stopped at the end of the script, also
# when it ends early. Their files are in the folder of Scratch.pm.
package Servers;
use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Scratch qw($dir);
use Time::HiRes 'sleep';

our @EXPORT_OK = qw($build start_stele start_redis stop connect_to request read_reply ask);
our $build = $ENV{STELE_BUILD} // 'build/release';
my %running; # pid => the pipe from the server, or 1
my $count = 0;
my $script = $$;

$ENV{PATH} .= ':build/services/bin'; # where .ci/need unpacks redis-server
$SIG{ALRM} = sub { die "no answer in time\n" };
END {
    my $status = $?;
    stop() if $$ == $script;
    $? = $status;
}

# Stops these servers, or all of them.
sub stop {
    my @pids = @_ ? @_ : keys %running;
    kill TERM => @pids;
    for my $pid (@pids) {
        waitpid $pid, 0;
        delete $running{$pid};
    }
}

# Starts Stele on a port that the system chooses, unless the options name one. Its log is stele.log. Returns a
# hash with its `pid`, its `port`, and `where`, its address.
sub start_stele {
    my ($data, @options) = @_;
    my $pid = open my $out, '-|', "$build/stele-server", $data, '--port', '0', '--logfile', "$dir/stele.log", @options
        or die $!;
    $running{$pid} = $out;
    my ($port) = (<$out> // '') =~ /^ready 127\.0\.0\.1:(\d+) / or die "no ready line\n";
    return {pid => $pid, port => $port, where => "127.0.0.1:$port"};
}

# Starts a redis-server on a unix socket, in a folder of its own, and waits until it has loaded its data. Returns a
# hash with its `pid`, and `where`, the path of the socket.
sub start_redis {
    my (@options) = @_;
    my $place = "$dir/redis" . $count++;
    mkdir $place or die $!;
    my $pid = fork // die $!;
    if ($pid == 0) {
        open STDOUT, '>', "$place/log";
        exec 'redis-server', '--port', '0', '--unixsocket', "$place/socket", '--save', '', '--dir', $place, @options
            or POSIX::_exit(1);
    }
    $running{$pid} = 1;
    sleep 0.01 until eval { ask("$place/socket", 'PING') eq '+PONG' };
    return {pid => $pid, where => "$place/socket"};
}

# Connects to the path of a unix socket, or to HOST:PORT.
sub connect_to {
    my ($where) = @_;
    my $socket = $where =~ m{^/} ? IO::Socket::UNIX->new(Peer => $where) : IO::Socket::INET->new($where);
    die "$where: $!\n" unless $socket;
    binmode $socket;
    return $socket;
}

# The bytes of a request.
sub request { return '*' . @_ . "\r\n" . join '', map { '$' . length($_) . "\r\n$_\r\n" } @_ }

# Returns the next reply: the text of a string, undef for nil, the replies of an array, or a line such as +OK, :1 or
# -ERR, with the character that says its type.
sub read_reply {
    my ($socket) = @_;
    local $/ = "\r\n";
    my $line = <$socket> // die "closed\n";
    chomp $line;
    my ($kind, $rest) = (substr($line, 0, 1), substr($line, 1));
    return $line if $kind =~ /[-+:]/;
    return undef if $rest < 0;
    return [map { read_reply($socket) } 1 .. $rest] if $kind eq '*';
    my $value = '';
    while (length $value < $rest + 2) {
        read $socket, $value, $rest + 2 - length $value, length $value or die "closed\n";
    }
    return substr $value, 0, $rest;
}

# Sends a request over a connection, or over a new one to an address. Returns the reply.
sub ask {
    my ($where, @words) = @_;
    my $socket = ref $where ? $where : connect_to($where);
    print $socket request(@words);
    return read_reply($socket);
}

1;
