#!/usr/bin/env perl
# Tests tests/bench/generate, which writes the data files of `make bench`. A file has what the options
# ask for, and the same options always give the same file.
use strict;
use warnings;
use File::Temp;
use Test::More;

my $build = $ENV{STELE_BUILD} // 'build/release';
my $generate = "$build/tests/bench/generate";
my $dir = File::Temp->newdir('stele-generate-XXXXXX', TMPDIR => 1);

# Generates a file. Returns what `stele check` counts in it, and its lines.
sub generated {
    my ($words) = @_;
    system("$generate $words >'$dir/data'") == 0 or return;
    my %count = map { /^(\w+) +(\d+)/ ? ($1, $2) : () } `$build/stele check '$dir/data'`;
    open my $in, '<:raw', "$dir/data" or die $!;
    my @lines = <$in>;
    return (\%count, \@lines);
}

my ($count, $lines) = generated('2k --values 3..40');
is($count->{lines}, 2000, 'the file has the requested number of lines');
is($count->{malformed}, 0, 'all lines are well-formed');
is($count->{keys}, 2000, 'all keys are distinct');
is(scalar(grep { /\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12} /s } @$lines),
    2000, 'the keys are random v4 UUIDs');
my ($shortest, $longest) = (sort { $a <=> $b } map { length($_) - 38 } @$lines)[0, -1];
is("$shortest..$longest", '3..40', 'the values have the requested lengths');
my %byte = map { $_ => 1 } map { split //, substr $_, 37, -1 } @$lines;
is(scalar keys %byte, 255, 'the values have every byte except the newline');
is_deeply((generated('2k --values 3..40'))[1], $lines, 'the same options give the same file');
isnt((generated('2k --values 3..40 --seed 2'))[1][0], $lines->[0], 'another seed gives another file');

my $commands = join '', map {
    my ($key, $value) = (substr($_, 0, 36), substr $_, 37, -1);
    sprintf "*3\r\n\$3\r\nSET\r\n\$36\r\n%s\r\n\$%d\r\n%s\r\n", $key, length $value, $value;
} @$lines;
ok(`$generate 2k --values 3..40 --resp` eq $commands, 'the same records as SET commands');

chomp(my @names = `$generate --list`);
ok(@names > 12, '--list prints the key sets');
for my $name (@names) {
    ($count) = generated("3000 --values 0..5 --keys '$name'");
    is($count->{malformed}, 0, "$name: well-formed");
    ok($count->{lines} > 0 && $count->{lines} <= 3000, "$name: at most the requested number of lines");
}
($count, $lines) = generated('1200 --keys redis-benchmark --values 0..5');
is($count->{keys}, 1200, 'redis-benchmark: all keys');
is_deeply([map { substr $_, 0, 37 } @$lines],
    [map { sprintf '00000000-0000-4000-8000-%012d ', $_ } 0 .. 1199],
    'redis-benchmark: the keys that it requests');

for my $words ('', '1x', '-1', '1 2', '1 --values 3', '1 --values 5..3', '1 --keys no', '1 --nope', '1000001M --keys redis-benchmark') {
    my $said = `$generate $words 2>&1`;
    is($? >> 8, 2, "generate $words: refused");
    like($said, qr/^usage: generate|^generate: /m, "generate $words: the reason is printed");
}
done_testing();
