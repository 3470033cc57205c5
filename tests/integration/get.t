#!/usr/bin/env perl
# `stele get FILE -`: keys from standard input. The answers are compared with those of a hash of this
# test. Also: lines that are no keys, pipes that end or wait, and a file that is cut meanwhile.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file read_file uuid start_random);
use IPC::Open3;
use Symbol 'gensym';
use Test::More;

chdir "$FindBin::RealBin/../.." or die $!;
my $stele = ($ENV{STELE_BUILD} // 'build/release') . '/stele';
start_random();

# Returns what a command prints to standard output, its exit status, and what it prints to standard error.
sub run {
    my ($command) = @_;
    my $out = qx{bash -c '$command' 2>$dir/stderr};
    return ($out, $? >> 8, read_file("$dir/stderr"));
}

# Does `stele get FILE -` with this input.
sub get {
    my ($file, $input, @options) = @_;
    my $keys = write_file('keys', $input);
    return run("$stele get $file - @options <$keys");
}

# ---- a table, and its answers -------------------------------------------------------------------

my @ids = map { uuid() } 1 .. 5000;
my %values = map { $_ => join '', map { chr(32 + int rand 95) } 1 .. int rand 120 } @ids;
$values{$ids[0]} = '';
$values{$ids[1]} = 'a' x 3_000_000;    # larger than every buffer
$values{$ids[2]} = "b\r";
my $table = join '', map { (rand() < 0.5 ? uc : $_) . " $values{$_}\n" } @ids;
my $data = write_file('table.data', "$ids[3] replaced\n$table" . "$ids[4] ");
$values{$ids[4]} = '';

# Returns the lines that are expected for these keys: those found, and those missing.
sub expected {
    my @keys = @_;
    return (join('', map { exists $values{lc $_} ? "$_ $values{lc $_}\n" : () } @keys),
        join('', map { exists $values{lc $_} ? () : "$_\n" } @keys));
}

# Each batch of input has about 7000 lines, so these keys are several batches.
my @keys = map { my $key = rand() < 0.6 ? $ids[5 + int rand 4995] : uuid(); rand() < 0.5 ? uc $key : $key } 1 .. 20_000;
push @keys, @ids[0 .. 4], $ids[1];
my ($found, $missing) = expected(@keys);
my $absent = () = $missing =~ /\n/g;
my $cut = "stele: the last line of '$data' does not end in a newline: ";
my %inputs = (
    'LF' => join('', map { "$_\n" } @keys),
    'CRLF' => join('', map { "$_\r\n" } @keys),
    'LF or CRLF' => join('', map { $_ . (rand() < 0.5 ? "\n" : "\r\n") } @keys),
    'no last newline' => join("\n", @keys),
);
for my $indexed ('without', 'with') {
    is((run("$stele index $data"))[1], 0, '(index)') if $indexed eq 'with';
    for my $name (sort keys %inputs) {
        my ($out, $status, $err) = get($data, $inputs{$name});
        ok($out eq $found, "$name, $indexed an index file: the keys and values in the order of the input");
        is($status, 1, "$name, $indexed an index file: some keys are missing");
        like($err, qr/\A\Q$cut\E.*\nstele: $absent of 20006 keys are not in \Q$data\E\n\z/, "$name: the number of missing keys");
        ($out, $status, $err) = get($data, $inputs{$name}, '--missing');
        ok($out eq $missing, "$name, $indexed an index file, --missing: the other keys");
        is($status, 1, "$name, --missing: some keys are missing");
        like($err, qr/\A\Q$cut\E.*\n\z/, "$name, --missing: no message");
    }
}
my $all = write_file('all.data', join '', map { "$_ $values{$_}\n" } @ids);
is_deeply([get($all, join '', map { "$_\n" } @ids[3 .. 999])], [(expected(@ids[3 .. 999]))[0], 0, ''], 'all keys are found');
is_deeply([get($all, "$ids[3]\n", '--missing')], ['', 0, ''], '--missing: none is missing');
is_deeply([get($all, "$ids[3]\r")], ["$ids[3] $values{$ids[3]}\n", 0, ''], 'a last line with CR alone');
is_deeply([get($all, '')], ['', 0, ''], 'no keys');
my $none = write_file('none.data', '');
is_deeply([get($none, "$ids[3]")], ['', 1, "stele: 1 of 1 keys are not in $none\n"], 'an empty table');

# ---- pieces of input ----------------------------------------------------------------------------

# Starts the subcommand with pipes, and returns its process, its input and its output.
sub start {
    my ($file) = @_;
    open my $err, '>', "$dir/stderr" or die $!;
    my $pid = open3(my $in, my $out, '>&' . fileno($err), $stele, 'get', $file, '-');
    $in->autoflush(1);
    binmode $_ for $in, $out;
    return ($pid, $in, $out);
}

sub end_of {
    my ($pid) = @_;
    waitpid $pid, 0;
    return $? >> 8;
}

alarm 120; # ends this test if an answer does not come
for my $size (1, 7, 36, 37, 38) {
    my $input = join '', map { $_ . (rand() < 0.5 ? "\n" : "\r\n") } @keys[0 .. 199];
    my ($pid, $in, $out) = start($all);
    for (my $at = 0; $at < length $input; $at += $size) {
        print $in substr $input, $at, $size;
    }
    close $in;
    local $/;
    is(scalar(<$out>), (expected(@keys[0 .. 199]))[0], "pieces of $size bytes");
    end_of($pid);
}

my ($pid, $in, $out) = start($all);
for my $key (@ids[3 .. 9]) {
    print $in "$key\n";
    is(scalar(<$out>), "$key $values{$key}\n", 'an answer comes before the input ends');
}
close $in;
is(end_of($pid), 0, 'the input ends');

alarm 0;

# ---- lines that are no keys ---------------------------------------------------------------------

my $key = $ids[3];
my $answer = "$key $values{$key}\n";
my $long = 'x' x 300_000;
for (
    ["$key\nabc\n$key\n", 2, 37, "not a UUID: 'abc'"],
    ["$key\nabc", 2, 37, "not a UUID: 'abc'"],
    ["$key\r\n\n$key\n", 2, 38, 'blank line'],
    ["$key\n\r\n", 2, 37, "not a UUID: '\\x0d'"],
    ["$key\n $key\n", 2, 37, "not a UUID: ' $key'"],
    ["$key\n$key \n", 2, 37, "not a UUID: '$key '"],
    ["$key\n$key\rx\n", 2, 37, "not a UUID: '$key\\x0dx'"],
    ["$key\n$key value\n", 2, 37, "not a UUID: '$key val'..."],
    ["$key\n$long\n", 2, 37, "not a UUID: '" . 'x' x 40 . "'..."],
    ["$key\n$long", 2, 37, "not a UUID: '" . 'x' x 40 . "'..."],
    ["$key\n\e[31m\n", 2, 37, "not a UUID: '\\x1b[31m'"],
) {
    my ($input, $line, $offset, $reason) = @$_;
    $reason =~ s/'\.\.\.\z/...'/;
    is_deeply([get($all, $input)], [$answer, 2, "stele: standard input:$line: byte $offset: $reason\n"],
        "line $line: " . substr($reason, 0, 60));
}
my $late = join('', map { "$ids[3 + $_ % 4000]\n" } 1 .. 30_000) . "bad\n";
my ($text, $status, $err) = get($all, $late);
is($err, 'stele: standard input:30001: byte ' . 30_000 * 37 . ": not a UUID: 'bad'\n", 'a line in a later batch');
is(() = $text =~ /\n/g, 30_000, 'the answers of all lines before it');

# ---- failures -----------------------------------------------------------------------------------

my ($big) = write_file('big', $inputs{LF});
for (
    ["$stele get $all $key -", "stele: keys come from the command line or, with -, from standard input, not from both\n"],
    ["$stele get $all - $key", "stele: keys come from the command line or, with -, from standard input, not from both\n"],
    ["$stele get $all $key --missing", "stele: --missing needs -: keys from standard input\n"],
    ["$stele get $all - <&-", "stele: cannot read standard input: Bad file descriptor\n"],
    ["$stele get $all - <$dir", "stele: cannot read standard input: Is a directory\n"],
    ["$stele get $dir/absent - </dev/null", "stele: cannot open '$dir/absent': No such file or directory\n"],
    ["$stele get $all - <$big >/dev/full", "stele: cannot write to standard output: No space left on device\n"],
    ["trap \"\" PIPE; $stele get $all - <$big | true; exit \${PIPESTATUS[0]}", "stele: cannot write to standard output: Broken pipe\n"],
) {
    my ($command, $message) = @$_;
    is_deeply([run($command)], ['', 2, $message], $command =~ s/\Q$dir\E/DIR/gr =~ s/$key/KEY/r);
}
is_deeply([run("$stele get $all - <$big | true; exit \${PIPESTATUS[0]}")], ['', 128 + 13, ''],
    'a broken pipe ends it without a message, like other programs');

# A file of several pages is cut while keys are looked up. The last of its lines is then lost.
my $cut_data = write_file('cut.data', join '', map { "$_ $values{$_}\n" } @ids[2 .. 4000]);
($pid, $in, $out) = start($cut_data);
print $in "$ids[2]\n";
is(scalar(<$out>), "$ids[2] $values{$ids[2]}\n", 'an answer before the file is cut');
truncate $cut_data, 0 or die $!;
print $in "$ids[4000]\n";
close $in;
is(join('', <$out>), '', 'no answer after the file was cut');
is(end_of($pid), 2, 'a file that is cut: exit status');
like(read_file("$dir/stderr"), qr/\Q$cut_data\E/, 'a file that is cut: the message names it');

done_testing();
