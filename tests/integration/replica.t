#!/usr/bin/env perl
# Real programs of Redis copy the dataset out of Stele: a redis-server that is a replica, through several
# publications and a restart; `redis-cli --rdb`, and a redis-server that starts from its file; ten replicas at once.
# Every key is compared. A replica that stops reading is closed, and so is one whose data file is cut
# meanwhile. A replica with a wrong password must not try more than about once a second.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file);
use Servers qw($build start_stele start_redis stop connect_to request read_reply ask);
use Test::More;
use Time::HiRes qw(time sleep);

alarm 240;

sub replica_of {
    my ($stele, @options) = @_;
    return start_redis('--replicaof', '127.0.0.1', $stele->{port}, @options);
}

# Returns a field of INFO.
sub field {
    my ($where, $section, $name, @auth) = @_;
    my $socket = connect_to($where);
    ask($socket, 'AUTH', @auth) if @auth;
    my ($value) = ask($socket, 'INFO', $section) =~ /^$name:(.*?)\r?$/m;
    return $value // '';
}

# Returns all keys and values of a server, as a hash.
sub content {
    my ($where) = @_;
    my %content;
    my $socket = connect_to($where);
    my $cursor = 0;
    do {
        ($cursor, my $keys) = @{ask($socket, 'SCAN', $cursor, 'COUNT', 1000)};
        @content{@$keys} = @{ask($socket, 'MGET', @$keys)} if @$keys;
    } while $cursor ne '0';
    return \%content;
}

# ---- data ---------------------------------------------------------------------------------------

my $marker = 'ffffffff-ffff-4fff-bfff-ffffffffffff';

# Returns the content of a table, and the text of its data file. Each version has other keys and values.
sub table {
    my ($version, $count) = @_;
    my %table = ($marker => "version $version");
    my $text = '';
    for my $i (1 .. $count) {
        my $key = sprintf '%08x-%04x-4000-8000-%012x', ($i * 2654435761) % 2**32, $version, $i;
        $table{$key} = $i % 1000 == 0 ? chr(97 + $i % 26) x (65530 + $i)
            : $i % 7 == 0 ? '' : $i % 11 == 0 ? "\0\xff \r$i" : $i % 13 == 0 ? $i : "value $i of version $version";
        $text .= ($i % 5 == 0 ? uc $key : $key) . " $table{$key}\n";
    }
    return (\%table, "$text$marker $table{$marker}\n");
}

sub same {
    my ($got, $wanted, $name) = @_;
    my @differences = grep { !defined $got->{$_} || $got->{$_} ne $wanted->{$_} } keys %$wanted;
    diag("$differences[0] differs") if @differences;
    ok(!@differences && keys %$got == keys %$wanted, "$name: all " . keys(%$wanted) . ' keys are equal');
}

# Waits until a server has the version.
sub await_version {
    my ($where, $version) = @_;
    until ((eval { ask($where, 'GET', $marker) } // '') eq "version $version") {
        sleep 0.01;
    }
}

# ---- the tests ----------------------------------------------------------------------------------

my $data = "$dir/table.data";

sub follow_publications {
    my ($table, $text) = table(1, 5000);
    write_file('table.data', $text);
    my $stele = start_stele($data);
    # The replication id is that of the content, once the checksum of new data is known.
    sleep 0.01 until field($stele->{where}, 'dataset', 'dataset_hash') =~ /^[0-9a-f]{16}$/;
    my $replica = replica_of($stele);
    await_version($replica->{where}, 1);
    same(content($replica->{where}), $table, 'version 1');
    is(field($replica->{where}, 'replication', 'master_link_status'), 'up', 'the link is up');
    sleep 0.01 until field($stele->{where}, 'replication', 'slave0') =~ /^ip=127\.0\.0\.1,port=0,state=online,offset=0,lag=[01]$/;
    pass('INFO replication shows the replica');
    is_deeply(ask($stele->{where}, 'ROLE'), ['master', ':0', [['127.0.0.1', '0', '0']]], 'ROLE shows the replica');
    like(ask($stele->{where}, 'CLIENT', 'LIST', 'TYPE', 'replica'), qr/ flags=S .* cmd=replconf /,
        'CLIENT LIST shows the replica');
    is(field($replica->{where}, 'replication', 'master_replid'), field($stele->{where}, 'replication', 'master_replid'),
        'both have the same replication id');
    for my $version (2 .. 11) {
        ($table, $text) = table($version, 5000);
        rename write_file('new', $text), $data or die $!;
        kill HUP => $stele->{pid};
        await_version($replica->{where}, $version);
        same(content($replica->{where}), $table, "version $version");
    }
    is(field($stele->{where}, 'stats', 'sync_full'), 11, 'eleven copies');

    # The replica finds the same data at the same address, so it copies nothing. The index file tells
    # the server after the restart that the data is the same.
    sleep 0.01 until field($stele->{where}, 'dataset', 'dataset_index_status') eq 'mapped';
    stop($stele->{pid});
    sleep 0.01 while field($replica->{where}, 'replication', 'master_link_status') eq 'up';
    is(start_stele($data, '--port', $stele->{port})->{port}, $stele->{port}, 'Stele starts again');
    sleep 0.01 until field($replica->{where}, 'replication', 'master_link_status') eq 'up';
    is(field($stele->{where}, 'stats', 'sync_full'), 0, 'after a restart, no copy');
    is(field($stele->{where}, 'stats', 'sync_partial_ok'), 1, 'the replica has continued');
    same(content($replica->{where}), $table, 'after a restart');

    # The replica no longer follows, and has all data.
    is(ask($replica->{where}, 'REPLICAOF', 'NO', 'ONE'), '+OK', 'the replica becomes a primary');
    is(ask($replica->{where}, 'SET', 'a', 'b'), '+OK', 'it takes writes');
    stop();
}

# Copies with a known length, as a tool does that cannot find the mark at the end of a file.
sub copy_plainly {
    my ($stele, $name) = @_;
    my $socket = connect_to($stele->{where});
    print $socket request('SYNC');
    my ($len) = <$socket> =~ /^\$(\d+)\r\n$/;
    my $file = '';
    while (length $file < $len) {
        read $socket, $file, $len - length $file, length $file or die "closed\n";
    }
    write_file($name, $file);
}

# redis-cli writes a file, and a redis-server starts from it. So does a file of `stele export`, and one that was copied
# without a tool.
sub start_from_files {
    for my $duplicates (0, 1) {
        my ($table, $text) = table(9, 3000);
        $text = "$marker old\n$text" if $duplicates;
        write_file('table.data', $text);
        my $name = $duplicates ? 'with a duplicate' : 'without duplicates';
        my $stele = start_stele($data);
        my $status = system "redis-cli -p $stele->{port} --rdb $dir/cli$duplicates.rdb >$dir/cli.log 2>&1";
        is($status, 0, "$name: redis-cli --rdb");
        $status = system "$build/stele export $data --rdb $dir/export$duplicates.rdb >$dir/export.log";
        is($status, 0, "$name: stele export");
        $status = system "$build/stele export $data --rdb - | cmp - $dir/export$duplicates.rdb";
        is($status, 0, "$name: stele export to a pipe writes the same");
        $status = system "redis-check-rdb $dir/export$duplicates.rdb >$dir/check.log";
        is($status, 0, "$name: redis-check-rdb");
        copy_plainly($stele, "plain$duplicates.rdb");
        for my $file ('cli', 'export', 'plain') {
            my $redis = start_redis('--dir', $dir, '--dbfilename', "$file$duplicates.rdb");
            await_version($redis->{where}, 9);
            same(content($redis->{where}), $table, "$name, from the file of $file");
            stop($redis->{pid});
        }
        stop();
    }
}

sub ten_replicas {
    my ($table, $text) = table(3, 2000);
    write_file('table.data', $text);
    my $stele = start_stele($data);
    my @replicas = map { replica_of($stele) } 1 .. 10;
    await_version($_->{where}, 3) for @replicas;
    same(content($_->{where}), $table, 'one of ten replicas') for @replicas;
    is(field($stele->{where}, 'replication', 'connected_slaves'), 10, 'INFO counts them');
    stop();
}

# A client that asks for a copy and does not read it.
sub stop_reading {
    my ($table, $text) = table(4, 200);
    my $large = "00000000-0000-4000-8000-000000000000 " . 'x' x 32e6 . "\n";
    write_file('table.data', $text . $large);
    my $stele = start_stele($data, '--write-timeout', 1);
    my $socket = connect_to($stele->{where});
    print $socket request('PSYNC', '?', '-1');
    sleep 0.01 until field($stele->{where}, 'replication', 'connected_slaves') eq '1';
    await_version($stele->{where}, 4);
    pass('other clients are answered');
    sleep 0.01 until field($stele->{where}, 'stats', 'write_timeout_disconnections') eq '1';
    is(field($stele->{where}, 'replication', 'connected_slaves'), 0, 'a replica that does not read is closed');
    my $replica = replica_of($stele);
    await_version($replica->{where}, 4);
    is(ask($replica->{where}, 'STRLEN', '00000000-0000-4000-8000-000000000000'), ':32000000', 'a replica that reads has a value of 32 MB');
    stop();
}

# The data file is cut while a client copies it: the client must not take what it gets for a whole file.
sub cut_file {
    my ($table, $text) = table(6, 200);
    write_file('table.data', $text . join '', map { sprintf "00000000-0000-4000-8000-%012x %s\n", $_, 'x' x 1000 } 1 .. 30000);
    my $stele = start_stele($data);
    my $socket = connect_to($stele->{where});
    print $socket request('PSYNC', '?', '-1');
    like(scalar <$socket>, qr/^\+FULLRESYNC [0-9a-f]{40} 0\r\n$/, 'the copy begins');
    my ($len) = <$socket> =~ /^\$(\d+)\r\n$/;
    cmp_ok($len, '>', 30e6, 'its length is announced');
    truncate $data, 10e6 or die $!;
    my $got = '';
    while (read $socket, $got, 1e6, length $got) {
    }
    cmp_ok(length $got, '<', $len, 'the connection is closed before the end of the copy');
    open my $log, '<', "$dir/stele.log" or die $!;
    ok((grep { /# client id=\d+ addr=127\.0\.0\.1:\d+: did not get a whole copy of the dataset: / } <$log>), 'the log says so');
    like(ask($stele->{where}, 'PSYNC', '?', '-1'), qr/^-NOMASTERLINK .* damaged$/, 'another copy is refused');
    stop();
}

sub passwords {
    my ($name, $password, $known) = @_;
    my ($table, $text) = table(5, 100);
    write_file('table.data', $text);
    my $stele = start_stele($data, $password ? ('--requirepass', $password) : ());
    my $replica = replica_of($stele, $known ? ('--masterauth', $known) : ());
    if (($password // '') eq ($known // '')) {
        await_version($replica->{where}, 5);
        same(content($replica->{where}), $table, $name);
        stop();
        return;
    }
    my @auth = $password ? $password : ();
    my $asked = 1; # connections that the test itself has made
    my $before = field($stele->{where}, 'stats', 'total_connections_received', @auth);
    my $began = time;
    my $count = 0;
    do {
        sleep 0.2;
        $asked++;
        $count = field($stele->{where}, 'stats', 'total_connections_received', @auth) - $before - $asked + 1;
    } until $count >= 2;
    my $took = time - $began;
    cmp_ok($count, '<=', $took + 3, "$name: $count attempts in " . int($took) . ' seconds');
    is(field($replica->{where}, 'replication', 'master_link_status'), 'down', "$name: the link is down");
    stop();
}

follow_publications();
start_from_files();
ten_replicas();
stop_reading();
cut_file();
passwords('the right password', 'secret', 'secret');
passwords('a missing password', 'secret', undef);
passwords('a wrong password', 'secret', 'other');
passwords('a password that is not required', undef, 'secret');
done_testing();
