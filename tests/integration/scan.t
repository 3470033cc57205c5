#!/usr/bin/env perl
# Compares the output of `stele scan` with the lines of the file, which the test sorts itself.
use strict;
use warnings;
use Test::More;

my $stele = ($ENV{STELE_BUILD} // 'build/release') . '/stele';
my %value;
open my $in, '<:raw', 'example.data' or die $!;
while (<$in>) {
    chomp;
    $value{lc substr $_, 0, 36} = substr $_, 37;
}
my @keys = sort keys %value;

# Returns the lines of the keys for which `pass` returns true, at most `limit` lines.
sub lines {
    my ($pass, $limit) = @_;
    my @kept = grep { $pass->($_) } @keys;
    splice @kept, $limit if defined $limit && $limit < @kept;
    return join '', map { "$_ $value{$_}\n" } @kept;
}

is(`$stele scan example.data`, lines(sub { 1 }), 'all records, in key order');
is(`$stele scan example.data --limit $_`, lines(sub { 1 }, $_), "the first $_ records") for 0, 1, 7, 1000;
my $seed = $ENV{STELE_SEED} // time;
srand $seed;
diag("seed $seed");
for (1 .. 10) {
    my ($from, $to) = map { $keys[rand @keys] } 1, 2;
    substr($_, int rand(8), 1) = sprintf '%x', rand 16 for $from, $to; # often a key that does not exist
    is(`$stele scan example.data --from $from --to $to`,
        lines(sub { $_[0] ge $from && $_[0] le $to }), "from $from to $to");
    my $upper = uc $from;
    is(`$stele scan example.data --from $upper --limit 5`, lines(sub { $_[0] ge $from }, 5),
        "five records from $upper on");
    my $prefix = substr $keys[rand @keys], 0, 1 + rand 20;
    is(`$stele scan example.data --prefix $prefix`, lines(sub { index($_[0], $prefix) == 0 }),
        "the records that begin with $prefix");
}
for my $words ('', 'example.data --from x', 'example.data --prefix g', 'example.data --limit -1',
    'example.data --prefix ""', 'example.data other', 'example.data --nope', '/no/such/file') {
    my $said = `$stele scan $words 2>&1`;
    is($? >> 8, 2, "scan $words: refused");
    like($said, qr/\A(?:stele|usage): [^\n]+\n\z/, "scan $words: the message has one line");
}
done_testing();
