#!/usr/bin/env perl
# --key-prefix and --key-forms. A server with a prefix is compared with a redis-server that has loaded the
# file of `stele export --key-prefix`, and with one that replicates from it. Without a redis-server, these
# points are skipped. --announce-role: what the server says of itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file);
use Servers qw($build start_stele start_redis connect_to request read_reply ask);
use Test::More;
use Time::HiRes 'sleep';

alarm 120;

# Starts Stele, on another file if the first option is --data. Returns a connection.
sub stele {
    my (@options) = @_;
    my $file = ($options[0] // '') eq '--data' ? (splice @options, 0, 2)[1] : "$dir/t.data";
    return connect_to(start_stele($file, '--index', 'none', @options)->{where});
}

# Starts a redis-server. Returns a connection.
sub redis { return connect_to(start_redis(@_)->{where}) }

# ---- data ---------------------------------------------------------------------------------------

my $count = 600;
my %table;
my $text = '';
for my $i (1 .. $count) {
    my $key = sprintf '%08x-0000-4000-8000-%012x', ($i * 2654435761) % 2**32, $i;
    $table{$key} = $i % 50 == 0 ? chr(97 + $i % 26) x (2000 + $i) : $i % 7 == 0 ? '' : "value $i";
    $text .= ($i % 5 == 0 ? uc $key : $key) . " $table{$key}\n";
}
write_file('t.data', $text);
my @keys = sort keys %table;
my ($key, $other) = @keys[10, 20];

# ---- a prefix -----------------------------------------------------------------------------------

my $prefixed = stele('--key-prefix', 'user:', '--cluster-enabled', 'yes', '--write-error', 'readonly');
my @asked = (
    (map { ['GET', "user:$_"] } @keys),
    ['MGET', map { ("user:$_", $_, 'user:', "User:$_") } @keys[0 .. 199]],
    ['GET', $key], ['GET', "USER:$key"], ['GET', "user: $key"], ['GET', "user:user:$key"], ['GET', 'user:'],
    ['GET', ''], ['GET', "user:$key\n"], ['GET', "users:$key"], ['GET', "user$key"],
    ['EXISTS', "user:$key", $key, "user:$key"], ['STRLEN', "user:$key"], ['STRLEN', $key],
    ['GETRANGE', "user:$key", 1, 3], ['TTL', "user:$key"], ['PTTL', $key], ['TYPE', "user:$key"], ['TYPE', $key],
    ['OBJECT', 'ENCODING', "user:$key"], ['OBJECT', 'ENCODING', $key], ['BITCOUNT', "user:$key"],
    ['GETBIT', "user:$key", 3], ['DUMP', "user:$keys[6]"], ['LCS', "user:$key", "user:$other"], ['LCS', $key, $other],
    ['HGET', "user:$key", 'f'], ['HGET', $key, 'f'], ['SINTER', "user:$key", $key], ['ZCARD', $key],
    ['TOUCH', "user:$key", $other], ['DBSIZE'], ['WATCH', "user:$key", $other], ['MULTI'], ['GET', "user:$key"],
    ['GET', $key], ['EXEC'], ['COMMAND', 'GETKEYS', 'MGET', "user:$key", $key],
);
my @patterns = ('*', 'user:*', 'us*', 'user', 'user:', 'x*', 'User:*', '*a*', 'user:[0-7]*', '?ser:0*', '*er:8*1',
    'USER*', '*SER*', "user:$key", "user:$key*", "$key", "*$key", "user:$key?", '\\user:*', 'u[s]er:1*');

sub flat {
    my ($reply) = @_;
    return ref $reply ? '[' . join(', ', map { flat($_) } @$reply) . ']' : $reply // 'nil';
}

# A reply in which the order of keys does not matter.
sub sorted {
    my ($reply) = @_;
    return ref $reply ? join "\n", sort @$reply : $reply;
}

sub compare {
    my ($redis, $name) = @_;
    print $redis map { request(@$_) } @asked;
    print $prefixed map { request(@$_) } @asked; # in one pipeline
    $_->flush for $redis, $prefixed;
    my $same = 0;
    for my $words (@asked) {
        my ($got, $wanted) = map { flat(read_reply($_)) } $prefixed, $redis;
        $got eq $wanted ? $same++ : diag("@$words: $got, not $wanted");
    }
    is($same, @asked, "$name: " . @asked . ' replies are equal');
    for my $pattern (@patterns) {
        is(sorted(ask($prefixed, 'KEYS', $pattern)), sorted(ask($redis, 'KEYS', $pattern)), "$name: KEYS $pattern");
    }
}

# Scans to the end. Returns the keys as a text.
sub scan {
    my ($socket, @options) = @_;
    my ($cursor, @found) = 0;
    do {
        ($cursor, my $some) = @{ask($socket, 'SCAN', $cursor, @options)};
        push @found, @$some;
    } while $cursor ne '0';
    return join "\n", @found;
}

my $whole = join "\n", map { "user:$_" } @keys;
is(scan($prefixed, 'COUNT', 100), $whole, 'SCAN returns each key with its prefix');
is(scan($prefixed, 'MATCH', 'user:[0-7]*'), join("\n", grep { /^user:[0-7]/ } split /\n/, $whole), 'SCAN MATCH');
is(scan($prefixed, 'MATCH', 'user:' . uc(substr $key, 0, 8) . '*'), "user:$key", 'SCAN MATCH in upper case');
like(ask($prefixed, 'RANDOMKEY'), qr/^user:[0-9a-f-]{36}$/, 'RANDOMKEY');
is(ask($prefixed, 'GET', 'user:' . uc $key), $table{$key}, 'a UUID in upper case');
is_deeply(ask($prefixed, 'STELE.RANGE', "user:$key", "user:$key", 'WITHVALUES'), ["user:$key", $table{$key}],
    'STELE.RANGE of one key');
is_deeply(ask($prefixed, 'STELE.RANGE', '-', '+', 'LIMIT', 2), [map { "user:$_" } @keys[0, 1]], 'STELE.RANGE of all');
is(ask($prefixed, 'STELE.COUNT', 'user:8', '+'), ':' . grep({ $_ ge '8' } @keys), 'STELE.COUNT of a beginning');
is(ask($prefixed, 'STELE.COUNT', 'us', 'user:'), ":$count", 'STELE.COUNT of a part of the prefix');
is(ask($prefixed, 'STELE.COUNT', '(user:8', '+'), ':' . grep({ $_ ge '9' } @keys), 'STELE.COUNT without a beginning');
like(ask($prefixed, 'STELE.COUNT', '8', '+'), qr/^-ERR from and to must be '-', '\+', a key with its prefix or/,
    'STELE.COUNT without the prefix');
my ($slot) = ask($prefixed, 'CLUSTER', 'KEYSLOT', "user:$key") =~ /(\d+)/;
ok(grep({ $_ eq "user:$key" } @{ask($prefixed, 'CLUSTER', 'GETKEYSINSLOT', $slot, 100)}),
    'the slot is that of the key with its prefix');
is(ask($prefixed, 'CLUSTER', 'COUNTKEYSINSLOT', $slot),
    ':' . @{ask($prefixed, 'CLUSTER', 'GETKEYSINSLOT', $slot, 100)}, 'and has as many keys as are listed');
is_deeply(ask($prefixed, 'CONFIG', 'GET', 'key-*'), ['key-forms', 'strict', 'key-prefix', 'user:'], 'CONFIG GET');
my $plain = stele();
my ($id, $plain_id) = map { ask($_, 'INFO', 'replication') =~ /master_replid:(\w+)/ } $prefixed, $plain;
isnt($id, $plain_id, 'the replication id depends on the prefix');

my $status = system "$build/stele export $dir/t.data --rdb $dir/user.rdb --key-prefix user: >/dev/null";
is($status, 0, 'stele export --key-prefix');
SKIP: {
    skip 'no redis-server', 2 * (1 + @patterns) if system 'command -v redis-server >/dev/null';
    my $loaded = redis('--dir', $dir, '--dbfilename', 'user.rdb');
    compare($loaded, 'a Redis with the exported file');
    my $replica = redis('--replicaof', '127.0.0.1', $prefixed->peerport);
    sleep 0.01 until ask($replica, 'INFO', 'replication') =~ /master_link_status:up/;
    compare($replica, 'a replica');
}

# ---- other forms --------------------------------------------------------------------------------

my $digits = $key =~ tr/-//dr;
my @forms = ($key, uc $key, $digits, uc $digits, "{$key}", '{' . uc($key) . '}', "urn:uuid:$key", "URN:UUID:" . uc $key);
my @no_forms = ("{$digits}", "urn:uuid:$digits", "($key)", "$digits ", substr($digits, 1), "0$digits", "{$key", "$key}");
my $any = stele('--key-forms', 'any');
my $both = stele('--key-forms', 'any', '--key-prefix', 'user:');
is_deeply(ask($any, 'MGET', @forms, @no_forms), [($table{$key}) x @forms, (undef) x @no_forms], 'MGET of all forms');
is_deeply(ask($both, 'MGET', (map { "user:$_" } @forms), @forms), [($table{$key}) x @forms, (undef) x @forms],
    'the same after a prefix');
is_deeply(ask($plain, 'MGET', @forms), [($table{$key}) x 2, (undef) x (@forms - 2)], 'the same with strict forms');
is(ask($any, 'GET', $_), $table{$key}, "GET $_") for @forms;
is(ask($any, 'EXISTS', @forms, @no_forms), ':' . @forms, 'EXISTS');
is_deeply(ask($any, 'MGET', map { tr/-//dr } @keys), [@table{@keys}], 'all keys without hyphens');
is(scan($any), join("\n", @keys), 'SCAN returns the usual form');
is(ask($any, 'STELE.COUNT', $digits, "{$key}"), ':1', 'STELE.COUNT between two forms');
is(ask($any, 'STELE.COUNT', "($digits", '+'), ':' . grep({ $_ gt $key } @keys), 'STELE.COUNT after one');
is_deeply(ask($any, 'KEYS', $digits), [], 'a pattern matches the usual form only');

# ---- damage -------------------------------------------------------------------------------------

# Half of the data file is lost. Keys of that half give an error, in each form, and not nil.
my ($kept, $lost) = map { sprintf '%08x-0000-4000-8000-%012x', ($_ * 2654435761) % 2**32, $_ } 1, $count;
my $cut = stele('--data', write_file('cut.data', $text), '--key-forms', 'any', '--key-prefix', 'user:');
truncate "$dir/cut.data", length($text) / 2 or die $!;
my $answer;
until (defined $answer) { # the server closes the connection when it notices the loss
    $answer = eval { ask($cut, 'GET', "user:$lost") // 'nil' };
    $cut = connect_to('127.0.0.1:' . $cut->peerport) unless defined $answer;
}
like($answer, qr/^-ERR data unreadable/, 'GET of a key that is lost');
my $lost_digits = $lost =~ tr/-//dr;
like(ask($cut, 'GET', "user:$lost_digits"), qr/^-ERR data unreadable/, 'without hyphens');
like(ask($cut, 'EXISTS', "user:{$lost}", "user:$kept"), qr/^-ERR data unreadable/, 'in braces');
is(ask($cut, 'GET', "user:{$kept}"), $table{$kept}, 'a key that is not lost');
is(ask($cut, 'GET', $lost), undef, 'without the prefix it does not exist');

# ---- roles --------------------------------------------------------------------------------------

my $replica = stele('--announce-role', 'replica');
is_deeply(ask($replica, 'ROLE'), ['slave', 'none', ':0', 'connected', ':1'], 'ROLE of an announced replica');
my $info = ask($replica, 'INFO', 'replication');
like($info, qr/^role:slave\r\nmaster_host:none\r\nmaster_port:0\r\nmaster_link_status:up\r\n/m, 'INFO');
my %hello = @{ask($replica, 'HELLO', 2)};
is($hello{role}, 'replica', 'HELLO');
is(ask($replica, 'GET', $key), $table{$key}, 'it answers');
SKIP: {
    skip 'no redis-server', 1 if system 'command -v redis-server >/dev/null';
    my $redis = redis('--replicaof', '127.0.0.1', $replica->peerport);
    sleep 0.01 until ask($redis, 'INFO', 'replication') =~ /master_link_status:up/;
    is(ask($redis, 'GET', $key), $table{$key}, 'a Redis replicates from it');
}
is(ask($replica, 'REPLICAOF', 'NO', 'ONE'), ask($plain, 'REPLICAOF', 'NO', 'ONE'), 'it does not become a primary');
is(ask($plain, 'ROLE')->[0], 'master', 'the default');
done_testing();
