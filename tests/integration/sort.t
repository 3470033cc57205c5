#!/usr/bin/env perl
# `stele sort`, `stele merge` and `stele sample`, compared with sort(1), awk and Python; malformed
# lines, files that exist, full disks and signals.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file run files uuid start_random);
use Test::More;
use Time::HiRes 'usleep';

chdir "$FindBin::RealBin/../.." or die $!;
my $build = $ENV{STELE_BUILD} // 'build/release';
my ($stele, $generate) = ("$build/stele", "$build/tests/bench/generate");
my $seed = start_random();

sub read_file {
    my ($path) = @_;
    open my $file, '<:raw', $path or return "cannot read $path";
    local $/;
    return scalar <$file>;
}

# ---- the models ---------------------------------------------------------------------------------

# The last line of each key with awk, in the order of keys with sort(1).
my $awk = q(LC_ALL=C awk '{ k = tolower(substr($0, 1, 36)); line[k] = $0 }
    END { for (k in line) print k, line[k] }');
sub wanted_by_awk {
    my ($files) = @_;
    return scalar qx{$awk $files | LC_ALL=C sort -s -k1,1 | cut -c38-};
}

# The same in Python.
write_file('model.py', <<'END');
import sys
last = {}
for name in sys.argv[1:]:
    for line in open(name, "rb").read().split(b"\n"):
        if line:
            last[line[:36].lower()] = line
for key in sorted(last):
    sys.stdout.buffer.write(last[key] + b"\n")
END
sub wanted_by_python {
    my ($files) = @_;
    return scalar qx{python3 $dir/model.py $files};
}

# Compares a file with the wanted text without printing both.
sub is_file {
    my ($path, $wanted, $name) = @_;
    return ok(read_file($path) eq $wanted, $name);
}

# ---- sort ---------------------------------------------------------------------------------------

# Keys in both cases, duplicates, empty and long values, values that look like keys.
my @lines;
for my $i (1 .. 3000) {
    my $key = $i % 5 == 0 && @lines ? substr($lines[rand @lines], 0, 36) : uuid();
    $key = $i % 3 == 0 ? uc $key : $i % 3 == 1 ? lc $key : join '', map { rand > 0.5 ? uc : lc } split //, $key;
    my $value = $i % 50 == 0 ? '' : $i % 51 == 0 ? "x\r" : $i % 1000 == 7 ? 'v' x 300_000 : 'v' x rand 200;
    push @lines, "$key $value $i\n";
}
my $source = write_file('table.data', join '', @lines);
chmod 0640, $source;
my $wanted = wanted_by_awk($source);
my $keys = () = $wanted =~ /\n/g;
my ($said, $status) = run("$stele sort $source $dir/sorted");
is($status, 0, 'sort') or diag($said);
is_file("$dir/sorted", $wanted, '  the lines are those of awk and sort');
is($said, sprintf("%s %d lines, %d bytes, %d duplicates left out\n", "$dir/sorted", $keys, length $wanted, 3000 - $keys),
    '  the output says what was written');
is((stat "$dir/sorted")[2] & 0777, 0640, '  the permissions are those of the source');
is_file("$dir/sorted", wanted_by_python($source), '  the lines are those of Python');
($said, $status) = run("$stele sort $dir/sorted $dir/again");
is($status, 0, 'a sorted file');
is_file("$dir/again", $wanted, '  is the same');

system("$stele sort $source - > $dir/to-stdout");
is_file("$dir/to-stdout", $wanted, 'to standard output');
system("$stele sort - $dir/from-stdin < $source > $dir/said");
is_file("$dir/from-stdin", $wanted, 'from standard input');
system("cat $source | (umask 027; $stele sort - - | cat > $dir/piped)");
is_file("$dir/piped", $wanted, 'from a pipe to a pipe');
system("cat $source | (umask 027; $stele sort - $dir/masked > $dir/said)");
is((stat "$dir/masked")[2] & 0777, 0640, 'the permissions of a file from standard input are those of a new file');

for my $case (['an empty file', ''], ['one line', uuid() . " 1\n"], ['one line without a newline', uuid() . ' 1'],
    ['a key without a value', uuid() . ' ']) {
    my ($name, $text) = @$case;
    my $path = write_file('small.data', $text);
    unlink "$dir/small";
    ($said, $status) = run("$stele sort $path $dir/small");
    is($status, 0, $name);
    is(read_file("$dir/small"), $text =~ /\n\z|\A\z/ ? $text : "$text\n", '  the line is there, with a newline');
}

# ---- little memory ------------------------------------------------------------------------------

my $large = "$dir/large.data";
system("$generate 200k --seed $seed > $large") == 0 or die 'generate';
system("$generate 50k --seed $seed --values 1..3 >> $large") == 0 or die 'generate';
my $large_wanted = wanted_by_python($large);
for my $memory ('16mb', '24mb', '1gb') {
    unlink "$dir/large";
    ($said, $status) = run("$stele sort $large $dir/large --build-memory $memory");
    is($status, 0, "--build-memory $memory") or diag($said);
    like($said, qr/ 200000 lines, \d+ bytes, 50000 duplicates left out$/, '  the later lines win');
    is_file("$dir/large", $large_wanted, '  the lines are sorted');
}
my $giant = write_file('giant.data', "ffffffff-0000-4000-8000-000000000000 a\n00000000-0000-4000-8000-000000000000 " . ('long' x 10_000_000) .
    "\nFFFFFFFF-0000-4000-8000-000000000000 b");
($said, $status) = run("$stele sort $giant $dir/giant --build-memory 16mb");
is($status, 0, 'a line larger than the memory') or diag($said);
is_file("$dir/giant", wanted_by_python($giant), '  the lines are sorted');
($said, $status) = run("$stele sort $large $dir/large-2 --build-memory 5");
is($status, 0, 'less memory than the least counts as the least');
is_file("$dir/large-2", $large_wanted, '  the lines are sorted');

SKIP: {
    skip 'sanitizers take memory', 2 if $build !~ /release/;
    # The lines are short, so that their records take much of the memory. They and the lines take 27 MB.
    system("$generate 400k --seed $seed --values 1..3 > $dir/short.data") == 0 or die 'generate';
    my ($most, $code) = split ' ', qx{python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, status)
' $stele sort $dir/short.data $dir/short --build-memory 16mb};
    is($code, 0, 'little memory, measured');
    # The pages of the program count too.
    cmp_ok($most, '<', 19 * 1024, '  the memory taken is that of --build-memory, and less than 3 MiB for the program');
}

# ---- merge --------------------------------------------------------------------------------------

my @three = map { write_file("part-$_.data", join '', map { substr($lines[$_], 0, 37) . rand() . "\n" } grep { rand > 0.5 } 0 .. $#lines) } 1 .. 3;
write_file('part-2.data', substr read_file($three[1]), 0, -1); # no newline at the end
($said, $status) = run("$stele merge @three $dir/merged");
is($status, 0, 'merge') or diag($said);
is_file("$dir/merged", wanted_by_python("@three"), '  later files win, as in Python');
system("$stele merge $three[0] - $three[2] - < $three[1] > $dir/merged-2");
is_file("$dir/merged-2", wanted_by_python("@three"), 'merge with standard input and output');
($said, $status) = run("$stele merge $large $source $large $dir/merged-3 --build-memory 16mb");
is_file("$dir/merged-3", wanted_by_python("$large $source $large"), 'merge with little memory, a file twice');
($said, $status) = run("$stele merge $source $dir/merged-4");
is_file("$dir/merged-4", $wanted, 'merge of one file sorts it');
is_deeply([run("$stele merge - - $dir/twice")], ["stele: standard input is named twice\n", 2], 'standard input twice');

# ---- what is refused ----------------------------------------------------------------------------

# Runs a command that must fail, and leave nothing in its folder but these files.
sub refused {
    my ($name, $command, $wanted_status, $message, @left) = @_;
    my ($text, $code) = run($command);
    is($code, $wanted_status, "$name: status $wanted_status");
    like($text, qr/\Astele: $message\n\z/, '  the message');
    is_deeply([files("$dir/refused")], [sort @left], '  nothing is left');
    return;
}

mkdir "$dir/refused" or die $!;
my $out = "$dir/refused/out";
for my $bad ("no key\n", "\n", uuid() . "\n", "\xef\xbb\xbf" . uuid() . " 1\n") {
    my @all = @lines[0 .. 2000];
    splice @all, $bad =~ /\A\xef/ ? 0 : 1500, 0, $bad;
    my $path = write_file('bad.data', join '', @all);
    my ($message) = grep { /bad\.data:/ && !/replaced by a later line/ } split /\n/, (run("$stele check $path"))[0];
    refused("a malformed line: $message", "$stele sort $path $out", 1, quotemeta $message);
    refused('the same in a later file', "$stele merge $source $path $out", 1, quotemeta $message);
    refused('the same to standard output', "$stele sort $path -", 1, quotemeta $message);
    refused('the same after much was spilled', "$stele merge $large $path $out --build-memory 16mb", 1, quotemeta $message);
    (my $of_stdin = $message) =~ s/\A\Q$path\E/standard input/;
    refused('the same from standard input', "sh -c 'cat $path | $stele sort - $out'", 1, quotemeta $of_stdin) if $bad !~ /\0/;
}
write_file('refused/out', 'mine');
refused('a file that exists', "$stele sort $source $out", 2, "'\Q$out\E' exists already and is not replaced", 'out');
is(read_file($out), 'mine', '  it was not changed');
unlink $out;
symlink 'nowhere', $out or die $!;
refused('a link that leads nowhere', "$stele sort $source $out", 2, "'\Q$out\E' exists already and is not replaced", 'out');
unlink $out;
refused('a missing file', "$stele sort $dir/none $out", 2, "cannot open '\Q$dir\E/none': No such file or directory");
refused('a folder', "$stele sort $dir $out", 2, "cannot open '\Q$dir\E': not a regular file");
refused('a missing folder', "$stele sort $source $dir/none/out", 2, "cannot write '\Q$dir\E/none/out.*': No such file or directory");
refused('three words', "$stele sort $source $source $out", 2, 'more than one file to sort; `stele merge` takes several');
my $own = write_file('own.data', $wanted);
system("$stele sort $own - >> $own 2> $dir/said");
is($? >> 8, 2, 'standard output is the file to read');
is_file($own, $wanted, '  it was not changed');
chmod 0, $own;
my $without = $> == 0 ? 'setpriv --bounding-set -dac_override,-dac_read_search' : '';
refused('an unreadable file', "$without $stele sort $own $out", 2, "cannot open '\Q$own\E': Permission denied");

# ---- full disks ---------------------------------------------------------------------------------

refused('too large a file', "sh -c 'ulimit -f 1000; exec $stele sort $large $out'", 2, "cannot write '\Q$out\E': File too large");
refused('too large a temporary file', "sh -c 'ulimit -f 1000; exec $stele sort $large $out --build-memory 16mb'", 2,
    "cannot write to a temporary file in '\Q$dir\E/refused/': File too large");
refused('standard output is full', "sh -c '$stele sort $source - > /dev/full'", 2,
    'cannot write to standard output: No space left on device');
SKIP: {
    # A file system of 4 MiB, in a namespace of its own.
    my $small = "$dir/small-disk";
    mkdir $small or die $!;
    my ($probe) = run("unshare -rm sh -c 'mount -t tmpfs none $small && echo good'");
    skip('no mount namespaces', 2) if $probe ne "good\n";
    ($said) = run("unshare -rm sh -c 'mount -t tmpfs -o size=4m none $small && { $stele sort $large $small/o; " .
        "echo status \$?; ls -A $small; }'");
    like($said, qr/^stele: cannot write '.*': No space left on device$/m, 'a full disk');
    like($said, qr/^status 2\n\z/m, '  nothing is left');
}

# ---- signals ------------------------------------------------------------------------------------

my %number = (HUP => 1, INT => 2, TERM => 15);
for my $signal (sort keys %number) {
    for my $memory ('16mb', '1gb') {
        my $left;
        for my $try (1 .. 40) {
            my $pid = fork // die $!;
            if ($pid == 0) {
                open STDOUT, '>', '/dev/null';
                exec $stele, 'sort', $large, $out, '--build-memory', $memory or exit 99;
            }
            # The file exists under a temporary name from the beginning on.
            for (1 .. 10_000) {
                last if files("$dir/refused");
                usleep(200);
            }
            usleep(rand(2000) * $try);
            kill $signal, $pid;
            waitpid $pid, 0;
            $left = [$? & 127, files("$dir/refused")];
            unlink $out if $left->[0] == 0;
            last if $left->[0] != 0;
        }
        is_deeply($left, [$number{$signal}], "SIG$signal ends it, and nothing is left ($memory)");
    }
}
my $taken = fork // die $!;
if ($taken == 0) { # another file gets the name while the lines are sorted
    usleep(100) until files("$dir/refused");
    write_file('refused/out', 'mine');
    exit;
}
($said, $status) = run("$stele sort $large $out --build-memory 16mb");
waitpid $taken, 0;
is($status, 2, 'the name is taken meanwhile');
is($said, "stele: '$out' exists already and is not replaced\n", '  the message says so');
is(read_file($out), 'mine', '  it was not changed');
is_deeply([files("$dir/refused")], ['out'], '  nothing else is left');

# ---- sample -------------------------------------------------------------------------------------

my @sorted = split /^/, $wanted;
my %is_served = map { $_ => 1 } @sorted;
sub sample {
    my ($arguments) = @_;
    return qx{$stele sample $arguments 2>/dev/null};
}
my @first = sample("$source 500 --seed 7");
is(@first, 500, 'sample: N lines');
is((grep { !$is_served{$_} } @first), 0, '  each is the line that is served for its key');
is_deeply([sort { lc substr($a, 0, 36) cmp lc substr($b, 0, 36) } @first], \@first, '  in key order');
my %distinct = map { lc substr($_, 0, 36) => 1 } @first;
is(keys %distinct, 500, '  with different keys');
is_deeply([sample("$source 500 --seed 7")], \@first, '  the same seed gives the same lines');
isnt(join('', sample("$source 500 --seed 8")), join('', @first), '  another seed gives other lines');
is(join('', sample("$source 3000 --seed 1")), $wanted, 'more lines than keys: all');
is(join('', sample("$source $keys --seed 1")), $wanted, 'as many lines as keys: all');
is(join('', sample("$source 0 --seed 1")), '', 'no lines');
my $errors = qx{$stele sample $source 20 2>&1 >$dir/sampled};
like($errors, qr/\Astele: --seed \d+\n\z/, 'without a seed, it is printed');
my ($printed) = $errors =~ /(--seed \d+)/;
is(join('', sample("$source 20 $printed")), read_file("$dir/sampled"), '  and gives the same lines again');
my $twenty = write_file('twenty.data', join '', map { uuid() . " $_\n" } 1 .. 20);
my %count;
for my $i (1 .. 400) {
    $count{$_}++ for map { substr $_, 37 } sample("$twenty 5 --seed $i");
}
# Each count has a mean of 100 and a standard deviation of 8.7. The seeds are always the same.
is(keys %count, 20, 'each key is chosen');
is((grep { $_ < 60 || $_ > 140 } values %count), 0, '  about equally often');
is_deeply([run("$stele sample $source x")], ["stele: the number of lines must be a number, 0 or more\n", 2], 'no number');
is((run("$stele sample $dir/bad.data 5"))[1], 2, 'a file with a malformed line');
is((run("$stele sample $dir/none 5"))[1], 2, 'a missing file');

done_testing();
