#!/usr/bin/env perl
# `stele publish`, `rollback`, `unpin` and `versions`; a server of a store; what a publication and a
# reload refuse.
use strict;
use warnings;
use Fcntl ':flock';
use File::Temp;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file read_file files run);
use Servers qw($build start_stele connect_to);
use Test::More;
use Time::HiRes 'usleep';

chdir "$FindBin::RealBin/../.." or die $!;
my $stele = "$build/stele";
my $password = 'secret'; # STELE.RELOAD needs one
$ENV{REDISCLI_AUTH} = $password;

sub stele { return run("$stele $_[0]") }

# The names of the files in a folder.
sub names { return join ' ', files($_[0]) }

sub key { sprintf '%08x-0000-4000-8000-%012x', $_[0] * 2654435761 % 2**32, $_[0] }

# A table of the keys from $first to $last. Each value contains $mark.
sub table {
    my ($first, $last, $mark) = @_;
    return join '', map { key($_) . " $mark-$_\n" } $first .. $last;
}

# Starts a server and returns its port.
sub serve { return start_stele(@_, '--requirepass', $password)->{port} }

# Sends a command and returns the reply.
sub ask {
    my ($port, @words) = @_;
    my $socket = connect_to("127.0.0.1:$port");
    Servers::ask($socket, 'AUTH', $password);
    return Servers::ask($socket, @words);
}

sub info {
    my ($port, $field) = @_;
    return ask($port, 'INFO', 'dataset') =~ /^$field:(.*?)\r$/m ? $1 : undef;
}

my ($out, $code);
my $store = "$dir/store";

# ---- publishing ---------------------------------------------------------------------------------

my $first = write_file('first', table(1, 1000, 'a'));
($out, $code) = stele("publish $store $first --version 1 --made-at 2026-01-02T03:04:05Z");
is($code, 0, 'the first version is published') or diag($out);
like($out, qr/^1 is published: 1000 keys, \d+ bytes; it is current$/, 'it says so');
is(names($store), 'current lock versions', 'the files of a store');
is(names("$store/versions/1"), 'manifest table.data table.data.idx', 'the files of a version');
is(readlink "$store/current", 'versions/1', 'it is current');
is(read_file("$store/current/table.data"), table(1, 1000, 'a'), 'it has the data');
my $manifest = read_file("$store/current/manifest");
my $sum = `xxh128sum $first 2>/dev/null` =~ /^([0-9a-f]{32})/ ? $1 : '[0-9a-f]{32}';
like($manifest, qr/\Astele-version 1\nversion 1\nmade-at 2026-01-02T03:04:05Z\npublished-at \S+Z\nbytes @{[-s $first]}\nlines 1000\nkeys 1000\nduplicates 0\nvalue-bytes \d+\nxxh3-128 $sum\nend\n\z/,
    'the manifest');
ok(-e $first, 'the source stays');

my $port = serve($store);
is(ask($port, 'GET', key(7)), 'a-7', 'a server of the store serves it');
is(info($port, 'dataset_version'), '1', 'INFO tells the version');
is(info($port, 'dataset_made_at'), 1767323045, 'INFO tells when the data was made');
cmp_ok(abs(time - 1767323045 - info($port, 'dataset_age_seconds')), '<', 60, 'and its age');
is(info($port, 'dataset_file'), "$store/versions/1/table.data", 'and the file');
is(info($port, 'dataset_index_status'), 'mapped', 'the index is mapped');

my $second = write_file('second', table(1, 1000, 'b'));
($out, $code) = stele("publish $store $second --version 2 --reload 127.0.0.1:$port");
is($code, 0, 'a second version is published, and the server reloaded') or diag($out);
like($out, qr/^127\.0\.0\.1:$port serves 2$/m, 'it says that the server serves it');
is(ask($port, 'GET', key(7)), 'b-7', 'the server serves it');
like(read_file("$store/current/manifest"), qr/^previous 1$/m, 'its manifest names the one before');
my $hash = '';
for (my $tries = 0; $hash eq '' && $tries < 1000; $tries++) { # it is known a moment after the reload
    usleep 10000 if $tries > 0;
    $hash = info($port, 'dataset_hash');
}
like($hash, qr/\A[0-9a-f]{16}\z/, 'INFO has the hash of the data');

($out, $code) = stele("publish $store $second --reload 127.0.0.1:1");
is($code, 2, 'a server that is not there is an error');
like($out, qr/not reloaded: 127\.0\.0\.1:1: Connection refused/, 'the message says why');
like(readlink "$store/current", qr{\Aversions/\d{8}T\d{6}Z\z}, 'the version is current, named by the time')
    or diag($out);
my $timed = substr readlink("$store/current"), 9;

# ---- refusals -----------------------------------------------------------------------------------

my $before = names("$store/versions");
my @cases = (
    ['an empty file', '', '', qr/refused: it has no keys/],
    ['half a file', substr(table(1, 500, 'c'), 0, -2), '',
     qr/refused: its last line does not end in a newline/],
    ['half of the lines', table(1, 500, 'c'), '',
     qr/refused: it has 500 keys, and version \S+ has 1000: 50\.0 % fewer, and --max-shrink allows 10 %/],
    ['30 % fewer keys', table(1, 700, 'c'), '', qr/refused: it has 700 keys.* 30\.0 % fewer/],
    ['other keys', table(1001, 2000, 'c'), '',
     qr/refused: it lacks 1000 of the 1000 keys of version \S+: 100\.0 %, and --max-lost allows 10 %/],
    ['a malformed line', table(1, 999, 'c') . "nonsense\n", '',
     qr{\A\Q$dir\E/bad:1000: .*\n.*refused: '\Q$dir\E/bad' has 1 malformed lines}],
    ['a verifier that refuses', table(1, 1000, 'c'), q{--verify 'exit 3'},
     qr/refused: the command of --verify refuses it: 'exit 3' exited with status 3/],
    ['a verifier that hangs', table(1, 1000, 'c'), q{--verify 'sleep 100 & sleep 100' --verify-timeout 1},
     qr/refused: the command of --verify refuses it: '.*' took longer than 1 s/],
);
for my $case (@cases) {
    my ($name, $text, $options, $said) = @$case;
    my $file = write_file('bad', $text);
    ($out, $code) = stele("publish $store $file --reload 127.0.0.1:$port $options");
    is($code, 1, "$name: refused");
    like($out, $said, "$name: the reason");
    is(names("$store/versions"), $before, "$name: nothing is left");
    is(readlink "$store/current", "versions/$timed", "$name: the old version is current");
    is(info($port, 'dataset_version'), '2', "$name: the server has not reloaded");
}
($out, $code) = stele("publish $store " . write_file('bad', table(1, 950, 'c')) . ' --version 0');
is($code, 2, 'a name that sorts before the newest is an error');
like($out, qr/would not be the newest/, 'the message says so');
my $seen = "$dir/seen";
($out, $code) = stele("publish $store " . write_file('fewer', table(1, 950, 'c')) .
    qq{ --version v4 --verify 'env | grep ^STELE_ > $seen'});
is($code, 0, '5 % fewer keys are accepted') or diag($out);
my $variables = read_file($seen);
like($variables, qr/^\Q$_\E$/m, "the verifier knows $_")
    for "STELE_STORE=$store", 'STELE_VERSION=v4', 'STELE_KEYS=950', 'STELE_LOST_KEYS=50',
    "STELE_CURRENT_VERSION=$timed", 'STELE_CURRENT_KEYS=1000', "STELE_DATA=$store/versions/.new/table.data",
    "STELE_CURRENT_DATA=$store/versions/$timed/table.data";

# ---- rolling back -------------------------------------------------------------------------------

is(names("$store/versions"), "2 $timed v4", 'three versions stay') or diag($out);
($out, $code) = stele("rollback $store 2 --reload 127.0.0.1:$port");
is($code, 0, 'a rollback') or diag($out);
is(readlink "$store/current", 'versions/2', 'it makes the version current');
is(read_file("$store/pin"), "2\n", 'and pins it');
($out, $code) = stele("publish $store $second --version v5 --keep 1");
is($code, 0, 'a version can be published while another is pinned');
like($out, qr/2 stays current, because it is pinned/, 'it says so');
is(readlink "$store/current", 'versions/2', 'the pinned version stays current');
is(names("$store/versions"), '2 v4 v5', 'the pinned version stays, and the one that was left')
    or diag($out);
($out, $code) = stele("versions $store");
is($code, 0, 'versions');
like($out, qr/^2 .* 1000 +\d+ current pinned$/m, 'the pinned version');
like($out, qr/^v4 .* 950 +\d+ rolled-back$/m, 'the version that was left');
like($out, qr/^v5 .* 1000 +\d+$/m, 'the newest version');
($out, $code) = stele("unpin $store --reload 127.0.0.1:$port");
is($code, 0, 'unpin') or diag($out);
is(readlink "$store/current", 'versions/v5', 'unpin makes the newest version current');
is(info($port, 'dataset_version'), 'v5', 'the server serves it');
($out, $code) = stele("unpin $store");
is($code, 1, 'without a pin, unpin says no');
($out, $code) = stele("rollback $store");
is(readlink "$store/current", 'versions/v4', 'a rollback without a name goes to the version before');
stele("unpin $store");
for (["rollback $store nothing", qr/has no version 'nothing'/], ["versions $dir", qr/is not a store/],
     ["rollback $dir/nowhere", qr/is not a store/], ["publish $store", qr/the data file is missing/],
     ["publish $store $dir/nothing --version v6", qr/No such file/], ["publish $store $second --version .x", qr/must have/],
     ["publish $first $second", qr/is not a folder/], ["publish $dir/no/store $second", qr{cannot create '\Q$dir\E/no/store':}]) {
    ($out, $code) = stele($_->[0]);
    is($code, 2, "$_->[0]: an error");
    like($out, $_->[1], 'the reason');
}
is(names("$store/versions"), '2 v4 v5', 'nothing has changed');

# ---- reading a store ----------------------------------------------------------------------------

($out, $code) = stele("get $store " . key(7));
is($out, "b-7\n", 'get reads the current version of a store');
($out, $code) = stele("verify $store");
is($code, 0, 'verify accepts the store') or diag($out);
like($out, qr/version $_ is right/, "verify names $_") for qw(2 v4 v5);
($out, $code) = stele("verify $store/current");
is($code, 0, 'verify accepts a version');
unlike($out, qr/v4/, 'only that one');
open my $damaged, '+<', "$store/versions/v4/table.data" or die $!;
seek $damaged, 60, 0;
print $damaged 'X';
close $damaged;
($out, $code) = stele("verify $store");
is($code, 1, 'verify finds a changed byte');
like($out, qr{v4/table.data: checksum \w+ instead of \w+}, 'and names the file');
open $damaged, '+<', "$store/versions/v4/table.data" or die $!;
seek $damaged, 60, 0;
print $damaged substr table(1, 950, 'c'), 60, 1;
close $damaged;

# ---- links, locks, remains ----------------------------------------------------------------------

my $moved = write_file('moved', table(1, 1000, 'd'));
($out, $code) = stele("publish $store $moved --version v6 --move");
is($code, 0, 'a file is moved into the store') or diag($out);
ok(!-e $moved, 'it is gone from its old place');
is(read_file("$store/current/table.data"), table(1, 1000, 'd'), 'and is current');
my $bad = write_file('bad', table(1, 10, 'd'));
stele("publish $store $bad --version v7 --move");
ok(-e $bad, 'a file that is refused is not moved');
($out, $code) = stele("publish $store $second --version v7 --link");
is((stat "$store/versions/v7/table.data")[1], (stat $second)[1], 'a file is linked');
SKIP: {
    my $memory;
    $memory = File::Temp::tempdir('stele-publish-XXXXXX', DIR => '/dev/shm', CLEANUP => 1)
        if -w '/dev/shm' && (stat '/dev/shm')[0] != (stat $store)[0];
    skip 'there is no other file system', 2 unless $memory;
    open my $far, '>', "$memory/far.data" or die $!;
    print $far table(1, 1000, 'e');
    close $far;
    ($out, $code) = stele("publish $store $memory/far.data --version v8 --move");
    is_deeply([$code, $out], [2, "stele: '$memory/far.data' is not on the file system of the store: leave out --link and --move\n"],
        'a file of another file system is not moved');
    ok(-e "$memory/far.data" && !-e "$store/versions/v8", 'it stays where it is');
}

open my $lock, '+<', "$store/lock" or die $!;
flock $lock, LOCK_EX or die $!;
seek $lock, 0, 0;
truncate $lock, 0;
print $lock "$$\n";
$lock->flush;
($out, $code) = stele("publish $store $second");
is($code, 2, 'two publishers: the second gives up');
like($out, qr/process $$ changes this store now/, 'and names the first');
close $lock;

mkdir "$store/versions/.new";
write_file('store/versions/.new/table.data', 'half');
mkdir "$store/versions/.old";
write_file('store/versions/.old/manifest', 'half');
write_file('store/pin', "v6\n"); # a rollback that was interrupted
($out, $code) = stele("publish $store $second --version v8");
is($code, 0, 'a publication after one that was killed') or diag($out);
unlike(names("$store/versions"), qr/\.(new|old)/, 'its remains are removed');
is(readlink "$store/current", 'versions/v6', 'an interrupted rollback is completed');
write_file('store/versions/v8/manifest', "stele-version 1\nversion v8\nkeys many\nend\n");
($out, $code) = stele("versions $store");
is($code, 2, 'a wrong manifest');
like($out, qr{v8/manifest:3: not a number}, 'is named with its line');

# ---- parts of a divided table -------------------------------------------------------------------

my $whole = write_file('whole.data', table(1, 1000, 'p'));
stele("split $whole --by slots --parts 2 --out $dir/parts");
my $parts = "--part-of $dir/parts/whole.manifest";
($out, $code) = stele("publish $dir/part $dir/parts/whole.2-of-2.data $parts");
is($code, 0, 'a part is published') or diag($out);
like(read_file("$dir/part/current/manifest"), qr/^split-part whole\.2-of-2\.data\nsplit-source whole\.data\n(?:split-source-\S+ \S+\n)+split-by slots\nsplit-slots 8192-16383\nend\n/m,
    'its manifest says of what it is a part');
is((stele("verify $dir/part"))[1], 0, 'verify reads this manifest');
write_file('whole.2-of-2.data', read_file("$dir/parts/whole.1-of-2.data"));
($out, $code) = stele("publish $dir/part $dir/whole.2-of-2.data $parts --max-lost 100");
is($code, 1, 'another part with the same name is refused');
like($out, qr/refused: '\S+' is not the part that '\S+' describes: its checksum is \S+, not \S+/,
    'with the reason');
($out, $code) = stele("publish $dir/part $whole $parts");
is("$code $out", "2 stele: '$dir/parts/whole.manifest' has no part 'whole.data'\n",
    'a file that the manifest does not name');
is((stele("versions $dir/part"))[0] =~ tr/\n//, 2, 'nothing was published');

# ---- the server's own gate ----------------------------------------------------------------------

my $data = write_file('served.data', table(1, 1000, 'a'));
my $other = serve($data, '--reload-max-shrink', '20%', '--reload-verify',
    qq{env | grep ^STELE_ > $seen-by-server; [ "\$STELE_KEYS" != 999 ] && { [ "\$STELE_KEYS" != 998 ] || sleep 100; }},
    '--reload-verify-timeout', '1');
for (['20 % fewer', 800, qr/\A\+OK/, 800], ['then half', 400, qr/400 keys.*50\.0 % fewer/, 800],
     ['refused by the command', 999, qr/exited with status 1/, 800],
     ['the command hangs', 998, qr/took longer than 1 s/, 800], ['accepted', 1000, qr/\A\+OK/, 1000]) {
    my ($name, $keys, $said, $served) = @$_;
    rename write_file('next', table(1, $keys, "n$keys")), $data or die $!;
    like(ask($other, 'STELE.RELOAD'), $said, "$name: the reply to a reload");
    is(info($other, 'dataset_keys'), $served, "$name: the keys that are served");
}
$variables = read_file("$seen-by-server");
like($variables, qr/^\Q$_\E$/m, "its command knows $_")
    for "STELE_DATA=$data", 'STELE_VERSION=' . info($other, 'dataset_version'), 'STELE_KEYS=1000', 'STELE_LINES=1000',
    'STELE_DUPLICATES=0', 'STELE_BYTES=' . -s $data, 'STELE_VALUE_BYTES=' . info($other, 'dataset_value_bytes'),
    'STELE_CURRENT_KEYS=800';
like($variables, qr/^STELE_CURRENT_VERSION=\d{8}T\d{6}Z$/m, 'and the version that is served');
done_testing();
