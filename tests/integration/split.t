#!/usr/bin/env perl
# `stele split` and `stele verify`: each rule, compared with the rule as this test computes it;
# malformed lines, full disks, signals, and parts that were damaged.
use strict;
use warnings;
use Digest::MD5 'md5';
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file read_file run files uuid start_random);
use Test::More;
use Time::HiRes 'usleep';

chdir "$FindBin::RealBin/../.." or die $!;
my $stele = ($ENV{STELE_BUILD} // 'build/release') . '/stele';
start_random();
my $outs = 0;

# ---- the rules, written once more ---------------------------------------------------------------

sub crc16 {
    my ($key) = @_;
    my $crc = 0;
    for my $byte (unpack 'C*', $key) {
        $crc ^= $byte << 8;
        $crc = ($crc << 1 ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff for 1 .. 8;
    }
    return $crc;
}

sub fnv1a_64 {
    my ($key) = @_;
    my $hash = 0x84222325;
    $hash = (($hash ^ $_) * 0x1b3) & 0xffffffff for unpack 'C*', $key;
    return $hash;
}

sub md5_hash { return unpack 'V', md5($_[0]) }

# Servers of one weight, in twemproxy's order.
sub ketama {
    my ($hash, @names) = @_;
    my @points;
    for my $server (0 .. $#names) {
        for my $i (0 .. 39) {
            push @points, map { [$_, $server] } unpack 'V4', md5("$names[$server]-$i");
        }
    }
    @points = sort { $a->[0] <=> $b->[0] } @points;
    return sub {
        my $value = $hash->($_[0]);
        for my $point (@points) {
            return $point->[1] if $point->[0] >= $value;
        }
        return $points[0][1];
    };
}

sub of_slot {
    my (@lasts) = @_;
    return sub {
        my $slot = crc16($_[0]) % 16384;
        return (grep { $slot <= $lasts[$_] } 0 .. $#lasts)[0];
    };
}

# ---- the data -----------------------------------------------------------------------------------

# All spellings of keys, duplicates, empty and long values, values that look like keys.
my @lines;
for my $i (1 .. 3000) {
    my $key = $i % 10 == 0 && @lines ? substr($lines[rand @lines], 0, 36) : uuid();
    $key = $i % 3 == 0 ? uc $key : $i % 3 == 1 ? lc $key : join '', map { rand > 0.5 ? uc : lc } split //, $key;
    my $value = $i % 50 == 0 ? '' : $i % 51 == 0 ? "x\r" : $i % 1000 == 7 ? 'v' x 3_000_000 : 'v' x rand 200;
    push @lines, "$key $value $i\n";
}
my $source = write_file('table.data', join '', @lines);
chmod 0640, $source;
utime 1_000_000_000, 1_000_000_000, $source;
my $topology = write_file('cluster.conf', <<'END');
epoch 7
shard 0-99 8000-16383
  node a1 10.0.0.1:7001
  node a2 10.0.0.2:7001
shard 100-7999
  node b1 10.0.0.3:7001
END
write_file('proxy.yml', <<'END');
one:
  listen: 127.0.0.1:22121
  hash: fnv1a_64
  distribution: modula
  redis: true
  servers:
    - 127.0.0.1:7001:2 long-name
    - 127.0.0.1:7002:1 zz
    - 127.0.0.1:7003:1 a
two:
  listen: 127.0.0.1:22122
  hash: md5
  servers:
  - 127.0.0.1:7001:1
  - 127.0.0.1:7002:1
END

# The names in twemproxy's order: a, zz, long-name (twice). The parts have the order of the list.
my @of_remainder = (2, 1, 0, 0);
my $servers = "'127.0.0.1:7001:2 long-name,127.0.0.1:7002:1 zz,127.0.0.1:7003:1 a'";
my @rules = (
    ['--by slots --parts 3', 3, of_slot(5460, 10922, 16383)],
    ['--by slots --parts 1', 1, sub { 0 }],
    ["--by slots --cluster $topology", 2, sub { my $slot = crc16($_[0]) % 16384; $slot < 100 || $slot >= 8000 ? 0 : 1 }],
    ['--by predixy --parts 5', 5, sub { crc16($_[0]) % 5 }],
    ['--by prefix --digits 1', 16, sub { hex substr $_[0], 0, 1 }],
    ['--by prefix --digits 2', 256, sub { hex substr $_[0], 0, 2 }],
    ["--by twemproxy --hash fnv1a_64 --distribution modula --servers $servers", 3, sub { $of_remainder[fnv1a_64($_[0]) % 4] }],
    ["--by twemproxy --nutcracker $dir/proxy.yml --pool one", 3, sub { $of_remainder[fnv1a_64($_[0]) % 4] }],
    ["--by twemproxy --nutcracker $dir/proxy.yml --pool two", 2, ketama(\&md5_hash, '127.0.0.1:7001', '127.0.0.1:7002')],
    ['--by twemproxy --hash fnv1a_64 --distribution ketama --servers ' .
        "'h:1:1 shard1,h:2:1 shard2,h:3:1 shard3'", 3, ketama(\&fnv1a_64, 'shard1', 'shard2', 'shard3')],
);

for (@rules) {
    my ($options, $count, $part_of) = @$_;
    my $out = "$dir/out" . $outs++;
    my ($said, $status) = run("$stele split $source $options --out $out");
    is($status, 0, $options) or diag($said);
    my @wanted = ('') x $count;
    $wanted[$part_of->(lc substr $_, 0, 36)] .= $_ for @lines;
    my @names = map { "table.$_-of-$count.data" } 1 .. $count;
    is_deeply([files($out)], [sort @names, 'table.manifest'], '  these files and no others');
    my @wrong = grep { read_file("$out/$names[$_]") ne $wanted[$_] } 0 .. $count - 1;
    is_deeply(\@wrong, [], '  each part has its lines, as they are and in order');
    is((stat "$out/$names[0]")[2] & 0777, 0640, '  the permissions are those of the source');
    is_deeply([map { (stat "$out/$_")[9] } @names], [(1_000_000_000) x $count], '  and so is the time');
    like($said, qr/^\Q$out\E\/\Q$names[0]\E \d+ lines, ${\length $wanted[0]} bytes$/m, '  the output names the parts');
    ($said, $status) = run("$stele verify $out");
    is($status, 0, '  verify') or diag($said);
    like($said, qr/all of its $count parts are right, ${\-s $source} bytes$/, '  verify says so');
}

# ---- the manifest -------------------------------------------------------------------------------

# Returns the manifest's lines without numbers and checksums that depend on the data.
sub manifest {
    my ($out) = @_;
    my $text = read_file("$out/table.manifest");
    $text =~ s/^((?:source-)?(?:bytes|lines|xxh3-128)) [0-9a-f]+$/$1 X/mg;
    return $text;
}

is(manifest("$dir/out2"), <<'END', 'the manifest of a topology');
stele-split 1
source table.data
source-lines X
source-bytes X
source-xxh3-128 X
by slots
epoch 7
parts 2
part table.1-of-2.data
slots 0-99 8000-16383
nodes a1 a2
lines X
bytes X
xxh3-128 X
part table.2-of-2.data
slots 100-7999
nodes b1
lines X
bytes X
xxh3-128 X
end
END
like(manifest("$dir/out7"), qr/^by twemproxy\nhash fnv1a_64\ndistribution modula\nparts 3\npart .*\nserver long-name\nweight 2\n/m,
    'the manifest of a twemproxy pool');
like(manifest("$dir/out4"), qr/^by prefix\ndigits 1\nparts 16\n(?s:.*)\npart table.16-of-16.data\nprefix f\n/m,
    'the manifest of prefixes');
like(read_file("$dir/out2/table.manifest"), qr/^source-lines 3000\nsource-bytes ${\-s $source}\n/m, 'lines and bytes');

# ---- lines --------------------------------------------------------------------------------------

my ($said, $status);
my $out = "$dir/lines";
write_file('cut.data', uuid() . " 1\n" . 'F8A24BB8-EFF8-41DC-929B-10B4C3E49E05 last');
($said, $status) = run("$stele split $dir/cut.data --by prefix --digits 1 --out $out");
is($status, 0, 'the last line has no newline');
like($said, qr/the last line of '.*cut.data' has no newline; in its part it has one/, 'a warning says so');
like(read_file("$out/cut.16-of-16.data"), qr/^F8A24BB8-EFF8-41DC-929B-10B4C3E49E05 last\n\z/m, 'its part has one');
write_file('empty.data', '');
($said, $status) = run("$stele split $dir/empty.data --by slots --parts 2 --out $out");
is($status, 0, 'an empty file');
is(-s "$out/empty.1-of-2.data", 0, 'its parts are empty');
($said, $status) = run("$stele verify $out");
is($status, 0, 'two manifests in one folder');
is(() = $said =~ /are right/g, 2, 'both are verified');
for my $name ('.hidden.data', '..data') {
    write_file($name, uuid() . " 1\n");
    ($said, $status) = run("$stele split $dir/$name --by slots --parts 2 --out $out$name");
    is($status, 0, "the hidden file $name");
    ($said, $status) = run("$stele verify $out$name");
    is($status, 0, '  its parts are verified') or diag($said);
}

for my $bad ("no key\n", "\n", uuid() . "\n", "\xef\xbb\xbf" . uuid() . " 1\n") {
    my @all = @lines[0 .. 2000];
    my $at = $bad =~ /\A\xef/ ? 0 : 1500;
    splice @all, $at, 0, $bad;
    my $path = write_file('bad.data', join '', @all);
    my ($checked) = run("$stele check $path");
    my ($message) = grep { /bad\.data:/ && !/replaced by a later line/ } split /\n/, $checked;
    ($said, $status) = run("$stele split $path --by slots --parts 3 --out $dir/bad");
    is($status, 2, 'a malformed line: ' . ($message // '?'));
    is($said, "stele: $message\n", 'the message is that of stele check');
    ok(!-e "$dir/bad", 'nothing is left, not even the folder');
}

# ---- files that exist ---------------------------------------------------------------------------

mkdir "$dir/taken" or die $!;
write_file('taken/table.2-of-3.data', 'mine');
($said, $status) = run("$stele split $source --by slots --parts 3 --out $dir/taken");
is($status, 2, 'a part exists already');
is($said, "stele: '$dir/taken/table.2-of-3.data' exists already and is not replaced\n", 'the message names it');
is_deeply([files("$dir/taken")], ['table.2-of-3.data'], 'nothing else is left');
is(read_file("$dir/taken/table.2-of-3.data"), 'mine', 'it was not changed');
rename "$dir/taken/table.2-of-3.data", "$dir/taken/table.manifest" or die $!;
($said, $status) = run("$stele split $source --by slots --parts 3 --out $dir/taken");
is($status, 2, 'a manifest exists already');
is_deeply([files("$dir/taken")], ['table.manifest'], 'nothing else is left');

# ---- full disks and signals ---------------------------------------------------------------------

($said, $status) = run("sh -c 'ulimit -f 1000; exec $stele split $source --by slots --parts 3 --out $dir/full'");
is($status, 2, 'a part cannot be written');
like($said, qr/^stele: cannot write '.*': File too large$/, 'the message says why');
ok(!-e "$dir/full", 'nothing is left');

SKIP: {
    # A file system of 4 MiB, in a namespace of its own.
    my $small = "$dir/small";
    mkdir $small or die $!;
    my $inside = "mount -t tmpfs -o size=4m none $small && { $stele split $source --by slots --parts 3 --out $small/o; " .
        "echo status \$?; ls -A $small; }";
    my ($probe) = run("unshare -rm sh -c 'mount -t tmpfs none $small && echo good'");
    skip('no mount namespaces', 2) if $probe ne "good\n";
    ($said) = run("unshare -rm sh -c '$inside'");
    like($said, qr/^stele: cannot write '.*': No space left on device$/m, 'a full disk');
    like($said, qr/^status 2\n\z/m, 'nothing is left');
}

my $large = write_file('large.data', read_file($source) x 12); # more than 100 MB
for my $signal (qw(TERM INT HUP)) {
    my $left;
    for my $try (1 .. 20) {
        $out = "$dir/signal-$signal-$try";
        my $pid = fork // die $!;
        if ($pid == 0) {
            open STDOUT, '>', '/dev/null';
            exec $stele, 'split', $large, qw(--by slots --parts 12 --out), $out or exit 99;
        }
        # The parts exist under temporary names. The program needs much longer for the lines.
        for (1 .. 10_000) {
            my @names = files($out);
            last if @names;
            usleep(200);
        }
        usleep(1000 * $try);
        kill $signal, $pid;
        waitpid $pid, 0;
        $left = [$? & 127, files($out)];
        last if $left->[0] != 0;
    }
    my %number = (HUP => 1, INT => 2, TERM => 15);
    is_deeply($left, [$number{$signal}], "SIG$signal ends it, and nothing is left");
    ok(!-e $out, 'not even the folder');
}

# ---- verify -------------------------------------------------------------------------------------

sub damaged {
    my ($name, $what, $wanted, $change) = @_;
    my $copy = "$dir/copy" . $outs++;
    system("cp -r $dir/out0 $copy") == 0 or die;
    $change->("$copy/table.2-of-3.data", "$copy/table.manifest");
    my ($out, $code) = run("$stele verify $copy");
    is($code, $wanted, "verify: $name");
    like($out, $what, '  and it says so');
}

damaged('a flipped bit', qr{table\.2-of-3\.data: checksum [0-9a-f]{32} instead of [0-9a-f]{32}\n\z}, 1, sub {
    my $text = read_file($_[0]);
    substr($text, rand length $text, 1) ^= "\x04";
    open my $file, '+<:raw', $_[0] or die $!;
    print $file $text;
});
damaged('a part that was cut', qr{table\.2-of-3\.data: \d+ bytes instead of \d+\n\z}, 1, sub { truncate $_[0], 100 });
damaged('a missing part', qr{cannot open '.*table\.2-of-3\.data': No such file}, 1, sub { unlink $_[0] });
damaged('a manifest that was cut', qr{table\.manifest: the manifest is incomplete}, 2, sub { truncate $_[1], (-s $_[1]) - 4 });
for my $name ('../table.1-of-3.data', '.', '..', "$dir/table.data") {
    damaged("a part outside the folder: $name", qr{the name of a file in this folder}, 2, sub {
        write_file('wrong.manifest', read_file($_[1]) =~ s{^part table.1-of-3.data$}{part $name}mr);
        rename "$dir/wrong.manifest", $_[1] or die $!;
    });
}
damaged('no manifest', qr{no manifest in}, 2, sub { unlink $_[1] });
damaged('another version', qr{:1: not a manifest of stele split that this version can read}, 2, sub {
    (my $text = read_file($_[1])) =~ s/split 1/split 2/;
    open my $file, '>:raw', $_[1] or die $!;
    print $file $text;
});
damaged('a name that leads elsewhere', qr{a part's name must be the name of a file in this folder}, 2, sub {
    (my $text = read_file($_[1])) =~ s/^part table/part ..\/table/m;
    open my $file, '>:raw', $_[1] or die $!;
    print $file $text;
});

# ---- indexes, and keys of other shards ----------------------------------------------------------

($said, $status) = run("$stele split $source --by slots --cluster $topology --out $dir/indexed --index");
is($status, 0, '--index') or diag($said);
for my $k (1, 2) {
    ($said, $status) = run("$stele check --index $dir/indexed/table.$k-of-2.data");
    is($status, 0, "the index of part $k is right") or diag($said);
}
my $check = "$stele split --check --cluster $topology";
($said, $status) = run("$check --node a2 $dir/indexed/table.1-of-2.data");
is($status, 0, '--check: the part of the node');
like($said, qr/\Alines   \d+\nforeign 0\n\z/, '  no key is foreign');
($said, $status) = run("$check --node b1 $source");
my $first = (split /\n/, read_file("$dir/indexed/table.1-of-2.data"))[0];
my $line = (grep { $lines[$_] eq "$first\n" } 0 .. $#lines)[0] + 1;
my $foreign = () = read_file("$dir/indexed/table.1-of-2.data") =~ /\n/g;
is($status, 1, '--check: the whole table');
like($said, qr/\A\Q$source\E:$line: \Q${\substr $first, 0, 36}\E belongs to the shard of node a1\n/, '  the first foreign key');
like($said, qr/^lines   3000\nforeign $foreign\n\z/m, '  their number');
is(() = $said =~ /belongs/g, 10, '  ten of them are printed');

# ---- wrong options ------------------------------------------------------------------------------

for (
    ['--by slots --out X', 'needs either --cluster CONFIG or --parts N'],
    ["--by slots --parts 3 --cluster $topology --out X", 'needs either'],
    ['--by slots --parts 3', '--out DIR is missing'],
    ['--parts 3 --out X', '--by must be slots, twemproxy, predixy or prefix'],
    ['--by moon --parts 3 --out X', '--by must be'],
    ['--by slots --parts 0 --out X', 'must be a number from 1 to 1000'],
    ['--by slots --parts 1001 --out X', 'must be a number from 1 to 1000'],
    ['--by prefix --digits 3 --out X', 'must be 1 or 2'],
    ['--by prefix --out X', 'needs --digits'],
    ['--by prefix --digits 1 --parts 3 --out X', '--parts does not belong to --by prefix'],
    ['--by predixy --out X', 'needs --parts'],
    ['--by twemproxy --out X', 'needs either --servers LIST or --nutcracker CONFIG'],
    ['--by twemproxy --servers a:1:1 --out X', 'needs --hash and --distribution'],
    ['--by twemproxy --servers a:1:1 --hash x --distribution ketama --out X', "unknown hash 'x'"],
    ['--by twemproxy --servers a:1:1 --hash md5 --distribution random --out X', 'must be modula or ketama'],
    ['--by twemproxy --servers a:1 --hash md5 --distribution ketama --out X', "the server 'a:1' has no"],
    ["--by twemproxy --servers 'h:1:1 a,h:2:1 a' --hash md5 --distribution ketama --out X", "two servers have the name 'a'"],
    ["--by twemproxy --nutcracker $dir/proxy.yml --out X", ':10: a second pool: choose one with --pool'],
    ["--by twemproxy --nutcracker $dir/proxy.yml --pool two --hash md5 --out X", '--nutcracker excludes'],
    ['--by slots --parts 3 --out X --node a1', '--node needs --check'],
    ['--check --node a1', '--check needs --cluster CONFIG and --node NAME'],
    ["--check --node a3 --cluster $topology", "has no node 'a3'"],
    ["--check --node a1 --cluster $topology --out X", '--check allows only'],
    ['--by slots --cluster /nonexistent --out X', "cannot open '/nonexistent'"],
) {
    my ($options, $message) = @$_;
    $options =~ s/ X\b/ $dir\/wrong/;
    ($said, $status) = run("$stele split $source $options");
    is($status, 2, "wrong: $options");
    like($said, qr/\Q$message\E/, '  the message');
    ok(!-e "$dir/wrong", '  nothing is left');
}
($said, $status) = run("$stele split $dir/none.data --by slots --parts 3 --out $dir/wrong");
is($said, "stele: cannot open '$dir/none.data': No such file or directory\n", 'no source');
($said, $status) = run("$stele split $source --by slots --parts 3 --out $dir/no/folder");
like($said, qr/^stele: cannot create/, 'no folder above the folder of the parts');

done_testing();
