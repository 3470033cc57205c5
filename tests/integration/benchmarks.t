#!/usr/bin/env perl
# The tables and pictures of docs/benchmarks.md are those that tests/bench/ makes from the figures in
# docs/benchmarks/. The pictures have linear axes that begin at 0, and bars as long as their figures.
use strict;
use warnings;
use File::Copy;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir read_file);
use Test::More;

chdir "$FindBin::RealBin/../.." or die $!;
delete $ENV{STELE_BUILD}; # the page names the programs that users build

mkdir "$dir/benchmarks" or die $!;
my $page = read_file('docs/benchmarks.md');
# The page without its figures, to see that they are written again.
open my $file, '>:raw', "$dir/benchmarks.md" or die $!;
print $file $page =~ s/(<!-- \w+: written by make bench -->\n).*?(<!-- \w+: end -->\n)/$1$2/gsr;
close $file or die $!;
copy($_, "$dir/benchmarks") or die "$_: $!" for glob 'docs/benchmarks/*.tsv';
for my $part (qw(index server reload cold)) {
    my $said = qx{tests/bench/$part --report --docs $dir 2>&1 </dev/null};
    is($?, 0, "$part --report succeeds") or diag($said);
}
ok(read_file("$dir/benchmarks.md") eq $page, 'the tables of docs/benchmarks.md are those of the figures')
    or diag(qx{diff docs/benchmarks.md $dir/benchmarks.md | head -20});

my @pictures = map { s{.*/}{}r } glob 'docs/benchmarks/*.svg';
is(join(' ', map { s{.*/}{}r } glob "$dir/benchmarks/*.svg"), "@pictures", 'the pictures have figures');
cmp_ok(scalar @pictures, '>=', 6, 'the pictures were found');
for my $name (@pictures) {
    my $svg = read_file("docs/benchmarks/$name");
    ok(-e "$dir/benchmarks/$name" && read_file("$dir/benchmarks/$name") eq $svg, "$name is drawn from the figures");
    like($page, qr/\Q(benchmarks\/$name)\E/, "$name is on the page");
    my @bars = map { /<rect x="(\d+)"[^>]* width="([\d.]+)".*?bold">([\d.,]+) / ? [$1, $2, $3 =~ tr/,//dr] : () } split /\n/, $svg;
    cmp_ok(scalar @bars, '>=', 8, "$name has bars with figures");
    my ($longest) = sort { $b->[1] <=> $a->[1] } @bars;
    # A figure has three digits, and a length one digit after the point.
    is((grep { abs($_->[1] - $longest->[1] * $_->[2] / $longest->[2]) > 0.1 + 0.011 * $_->[1] } @bars)[0], undef,
        "$name: each bar is as long as its figure");
    my @ticks = map { /<text x="([\d.]+)" [^>]*middle"[^>]*>([\d.,]+)</ ? [$1, $2 =~ tr/,//dr] : () } split /\n/, $svg;
    cmp_ok(scalar @ticks, '>=', 3, "$name has an axis");
    is($ticks[0][1], 0, "$name: the axis begins at 0");
    is((grep { $_ != $ticks[0][0] } map { $_->[0] } @bars)[0], undef, "$name: the bars begin at 0");
    is((grep { abs($_->[0] - $ticks[0][0] - $longest->[1] * $_->[1] / $longest->[2]) > 0.1 + 0.011 * $_->[0] } @ticks)[0], undef,
        "$name: the axis is linear");
}

done_testing();
