#!/usr/bin/perl
# Tests the systemd unit that `make install` installs. systemd-analyze must find no error in it and
# report little exposure, and a server must work under its rules. systemd does not run here; the test
# takes its place as supervisor. It starts the server as a user who owns nothing. A seccomp filter
# allows the system calls of the unit, and any other call kills the server.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use IO::Select;
use IO::Socket::UNIX;
use Scratch qw($dir read_file);
use Socket;
use Test::More;

my $build = $ENV{STELE_BUILD} || 'build/release';
plan skip_all => 'the sanitizers need rights of their own' if $build !~ m{/release$};

chmod 0755, $dir;
my $prefix = "$dir/usr";
my $template = "$dir/units/stele-server\@.service";
is(system("make -s install PREFIX=$prefix UNITDIR=$dir/units >/dev/null"), 0, 'make install');

sub spit {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or BAIL_OUT("$path: $!");
    print $file $text;
    close $file or BAIL_OUT("$path: $!");
}

my $unit = read_file($template);
like($unit, qr{^ExecStart=\Q$prefix\E/bin/stele-server }m, 'the unit names the installed program');
unlike($unit, qr/@[A-Z]+@/, 'no placeholder is left in the unit');

# ---- what systemd reports about the unit --------------------------------------------------------

# An instance of the unit, because a template cannot be verified.
my $instance = "$dir/stele-server\@devices.service";
spit($instance, $unit);
my $verdict = `systemd-analyze verify --man=no $instance 2>&1`;
is($?, 0, 'systemd-analyze verify');
is($verdict, '', 'systemd-analyze verify prints no warning');
my $security = `systemd-analyze security --no-pager --offline=true --threshold=15 $instance 2>&1`;
is($?, 0, 'systemd-analyze security: at most 1.5') or diag($security);
my ($exposure) = $security =~ /Overall exposure level.*?: ([\d.]+)/;
my ($documented) = read_file('docs/operations.md') =~ /`systemd-analyze security`\s+rates\s+its\s+exposure\s+at\s+([\d.]+)\s+of\s+10/;
is($documented, $exposure, 'docs/operations.md has the same figure');

# ---- the filter ---------------------------------------------------------------------------------

# The system calls of a set, which may name other sets.
my %sets;
sub calls {
    my ($name) = @_;
    return ($name) if $name !~ /^@/;
    $sets{$name} //= [map { s/^\s+|\s+$//gr } grep { !/^\s*#|^@|^$/ }
        split /\n/, `systemd-analyze syscall-filter $name`];
    return map { calls($_) } @{$sets{$name}};
}

my %allowed;
for my $line ($unit =~ /^SystemCallFilter=(.*)$/mg) {
    my $refused = $line =~ s/^~//;
    for my $call (map { calls($_) } split ' ', $line) {
        $refused ? delete $allowed{$call} : ($allowed{$call} = 1);
    }
}
# The test does not apply the other settings of the unit. They refuse calls that are not in this list,
# or that the server does not make.
my %number = map { /^#define __NR_(\w+) (\d+)$/ ? ($1 => $2) : () }
    `echo '#include <sys/syscall.h>' | \${CC:-cc} -E -dM -`;
my @numbers = map { $number{$_} // () } sort keys %allowed;
ok(@numbers > 200, scalar(@numbers) . ' system calls are allowed');
ok(!$allowed{$_}, "$_ is not allowed") for qw(mount ptrace setuid bpf reboot init_module chroot);

# The filter compares the number of a system call with each allowed number. If one is equal, the call
# is allowed; otherwise the process is killed. A struct sock_filter is a 16-bit code, two jumps and a
# constant.
my ($LOAD, $IF_EQUAL, $RETURN, $ALLOW, $KILL) = (0x20, 0x15, 0x06, 0x7fff0000, 0x80000000);
my $program = pack 'SCCL', $LOAD, 0, 0, 0;
$program .= pack 'SCCL SCCL', $IF_EQUAL, 0, 1, $_, $RETURN, 0, 0, $ALLOW for @numbers;
$program .= pack 'SCCL', $RETURN, 0, 0, $KILL;

# Gives up the rights that the unit takes away, and executes another program.
sub confined {
    my @words = @_;
    my ($NO_NEW_PRIVILEGES, $SECCOMP, $FILTER) = (38, 22, 2);
    my $filter = pack 'S x![P] P', length($program) / 8, $program;
    syscall($number{prctl}, $NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 or die "no_new_privs: $!\n";
    syscall($number{prctl}, $SECCOMP, $FILTER, unpack('L!', pack 'P', $filter), 0, 0) == 0
        or die "seccomp: $!\n";
    exec @words or die "$words[0]: $!\n";
}

# ---- a server under the filter ------------------------------------------------------------------

my @running; # process ids that the test must end
END {
    local $?;
    kill 'KILL', @running if @running;
}
$SIG{ALRM} = sub { BAIL_OUT('the server does not answer') };

sub forked {
    my ($log, @words) = @_;
    my $pid = fork // BAIL_OUT("fork: $!");
    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        if ($> == 0) { # becomes a user who owns nothing, without any rights
            $) = '65534 65534';
            $( = 65534;
            ($<, $>) = (65534, 65534);
        }
        eval { confined(@words) };
        print STDERR $@;
        require POSIX;
        POSIX::_exit(126);
    }
    return $pid;
}

my $killed = forked("$dir/log", 'chroot', '/', 'true');
waitpid $killed, 0;
isnt($?, 0, 'a program that makes a call that is not allowed fails');
is($? & 127, 31, 'SIGSYS has killed it') or diag(read_file("$dir/log"));

mkdir "$dir/data";
mkdir "$dir/run";
chmod 0777, "$dir/run"; # the RuntimeDirectory of the unit, the only folder that the server may write to
my $key = '3479d894-3271-4935-88cf-a06f3cbb80a5';
for my $indexed (1, 0) {
    my $name = $indexed ? 'with an index file' : 'without an index file';
    my $data = "$dir/data/devices.data";
    unlink $data, "$data.idx";
    spit($data, read_file('example.data'));
    is(system("$build/stele index $data >/dev/null 2>&1"), 0, 'stele index') if $indexed;
    my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/run/notify-$indexed")
        or BAIL_OUT("no socket: $!");
    chmod 0777, "$dir/run/notify-$indexed";
    $ENV{NOTIFY_SOCKET} = "$dir/run/notify-$indexed";
    my $socket = "$dir/run/socket";
    my $pid = forked("$dir/log", "$prefix/bin/stele-server", $data, '--port', '0', '--threads', '3',
                     '--unixsocket', $socket, '--unixsocketperm', '777', '--build-memory', '64mb');
    @running = $pid;
    delete $ENV{NOTIFY_SOCKET};
    alarm 60;
    my $notified = sub { $notify->recv(my $message, 4096); return $message };
    is($notified->(), "READY=1\nSTATUS=serving 300 keys of $data", "a server $name: ready");
    my $mapped = read_file("$dir/log") =~ /mapped the index/;
    is($mapped ? 1 : 0, $indexed, $indexed ? 'it maps the index' : 'it builds an index');
    my $warnings = () = read_file("$dir/log") =~ / # /g;
    is($warnings, $indexed ? 0 : 1, 'it warns only if the index cannot be written');
    is((stat $socket)[2] & 0777, 0777, 'the socket has its mode');
    my ($port) = read_file("$dir/log") =~ /^ready 127\.0\.0\.1:(\d+) /m;
    for my $to ("-p $port", "-s $socket") {
        for my $command ("get $key", 'info everything', 'slowlog get', 'latency doctor', 'client list',
                         'config get maxclients', 'config set maxclients 100', 'memory doctor',
                         'command count', 'scan 0', "mget $key $key", "dump $key", 'randomkey', 'time',
                         'debug sleep 0', 'publish a b', 'client kill type pubsub') {
            my $said = `redis-cli $to $command 2>&1`;
            ok($? == 0 && $said !~ /^Could not|closed/m, "$command over $to") or diag($said);
        }
    }
    is(`redis-cli -p $port get $key`, "this is a value\n", 'GET returns the value');
    system("redis-benchmark -p $port -q -n 2000 -c 100 -t get >/dev/null 2>&1");
    spit("$dir/fresh", read_file('example.data') =~ s/this is a value/this is another/r);
    rename "$dir/fresh", $data or BAIL_OUT("rename: $!");
    kill 'HUP', $pid;
    like($notified->(), qr/^RELOADING=1\nMONOTONIC_USEC=\d+$/, 'SIGHUP: reloading');
    is($notified->(), "READY=1\nSTATUS=serving 300 keys of $data", 'SIGHUP: ready again');
    is(`redis-cli -p $port get $key`, "this is another\n", 'GET returns the new value');
    kill 'TERM', $pid;
    my $last = $notified->();
    is($last, 'STOPPING=1', 'stopping');
    waitpid $pid, 0;
    is($?, 0, 'the exit code is 0');
    alarm 0;
    @running = ();
    ok(!-e $socket, 'the server has removed its socket');
}

# ---- the mode of a unix socket ------------------------------------------------------------------

# Nobody can connect before the socket has its mode, because listen(2) is called after chmod(2).
SKIP: {
    skip 'strace cannot trace here', 1
        if system('strace', '-qq', '-o', '/dev/null', '-e', 'trace=listen', 'true') != 0;
    my $pid = open my $out, '-|', 'strace', '-f', '-qq', '-o', "$dir/trace",
        '-e', 'trace=bind,chmod,fchmodat,listen', "$build/stele-server", 'example.data', '--port', 'none',
        '--index', 'none', '--unixsocket', "$dir/run/own", '--unixsocketperm', '600', '--logfile',
        '/dev/null' or BAIL_OUT("no strace: $!");
    @running = $pid;
    alarm 60;
    readline $out;
    my ($server) = read_file("/proc/$pid/task/$pid/children") =~ /(\d+)/;
    kill 'TERM', $server;
    close $out;
    alarm 0;
    @running = ();
    my @order = read_file("$dir/trace") =~ /^\d+ +(\w+)\(/mg;
    is_deeply([map { s/fchmodat/chmod/r } @order], [qw(bind chmod listen)], 'bind, chmod, listen');
}
done_testing();
