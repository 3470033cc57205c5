#!/usr/bin/env perl
# Tests what `stele` and `stele-server` print: the help in all ways to request it, wrapped at the width
# of the terminal, and the progress bars that a terminal shows. script(1) makes the terminals.
use strict;
use warnings;
use File::Temp;
use FindBin;
use Test::More;

chdir "$FindBin::RealBin/../.." or die $!;
my $build = $ENV{STELE_BUILD} // 'build/release';
my ($stele, $server) = ("$build/stele", "$build/stele-server");
my $dir = File::Temp->newdir('stele-tool-XXXXXX', TMPDIR => 1);
delete $ENV{COLUMNS};

# Returns what a command prints to both streams, and its exit status.
sub run {
    my ($command) = @_;
    my $out = qx{$command 2>&1 </dev/null};
    return ($out, $? >> 8);
}

# Does the same on a terminal with this number of columns.
sub on_terminal {
    my ($columns, $command) = @_;
    my ($out, $status) = run(qq{script -qec "stty cols $columns; $command" /dev/null});
    $out =~ s/\r\n/\n/g;
    return ($out, $status);
}

sub longest {
    my ($longest) = sort { $b <=> $a } 0, map { length } split /\n/, $_[0];
    return $longest;
}

# ---- help ---------------------------------------------------------------------------------------

my ($server_help) = run("$server --help");
my ($tool_help) = run("$stele --help");
like($server_help, qr/\Ausage: stele-server DATAFILE/, 'stele-server --help');
like($tool_help, qr/\Ausage: stele SUBCOMMAND/, 'stele --help');
is_deeply([run("$server -h")], [$server_help, 0], 'stele-server -h');
is_deeply([run("$stele $_")], [$tool_help, 0], "stele $_") for '-h', 'help';
is_deeply([run("$stele")], [$tool_help, 2], 'stele without arguments prints the help, and fails');
my ($version) = run("$server --version");
is_deeply([run("$server -v")], [$version, 0], 'stele-server -v');
($version) = run("$stele --version");
like($version, qr/\Astele \d/, 'stele --version');
is_deeply([run("$stele $_")], [$version, 0], "stele $_") for '-v', 'version';

my %all = ('stele' => $tool_help, 'stele-server' => $server_help);
my @subcommands = $tool_help =~ /^  ([a-z]+) [A-Z]/mg; # readme.t compares them with the README
cmp_ok(scalar @subcommands, '>=', 22, 'the help lists the subcommands');
for my $name (@subcommands) {
    my ($help, $status) = run("$stele help $name");
    is($status, 0, "stele help $name");
    like($help, qr/\Ausage: stele $name (?:FILE|DIR|DUMP|OLD|STORE|ADDRESS)\b/, "stele help $name: it begins with the usage");
    my ($usage) = $help =~ /\A(.*?)\n\n/s;
    unlike($usage, qr/\[[^]\n]*\n/, "stele help $name: no line of the usage ends between brackets");
    like($help, qr/\n\nexample: .*\bstele $name\b.*\n\z/s, "stele help $name: it ends with an example");
    for my $option ($usage =~ /(--[a-z-]+)/g) {
        like($help, qr/^  \Q$option\E /m, "stele help $name: it explains $option");
    }
    is_deeply([run("$stele $_")], [$help, 0], "stele $_ is the same")
        for "$name --help", "$name -h", "$name no-such-file --help", "--help $name";
    $all{"stele $name"} = $help;
}
cmp_ok(longest($all{$_}), '<=', 80, "$_: without a terminal the help has at most 80 columns") for sort keys %all;
for my $columns (40, 60, 132) {
    for my $name (sort keys %all) {
        my ($shown) = on_terminal($columns, "$build/$name --help");
        cmp_ok(longest($shown), '<=', $columns, "$name: the help fits a terminal of $columns columns");
        is(join(' ', split ' ', $shown), join(' ', split ' ', $all{$name}), "$name: the words are the same at $columns columns");
    }
}
cmp_ok(longest((run("COLUMNS=50 $server --help"))[0]), '<=', 50, 'the help fits the width in COLUMNS');

# ---- a configuration file of Redis --------------------------------------------------------------

for my $name ('redis.conf', 'a.cfg') {
    open my $conf, '>', "$dir/$name" or die $!;
    print $conf "# Redis configuration file example.\nport 0\nrequirepass SECRET\n";
    close $conf;
    my ($said, $status) = run("$server '$dir/$name' --port 0");
    is($status, 1, "$name is refused");
    is($said, "stele-server: '$dir/$name' looks like a configuration file, not a data file; options are "
            . "given on the command line only\n", 'the error says so and shows none of its lines');
}

# ---- progress -----------------------------------------------------------------------------------

# Returns the bars that were drawn, without the sequences that move the cursor.
sub bars {
    my ($shown) = @_;
    return map { s/\e\[K.*//sr } grep { /\e\[K/ } split /\r/, $shown;
}

my $times = qr/(?: +[\d.]+ ns){3}\n/;
my $table = `$stele bench example.data --index none 2>/dev/null`;
my ($shown, $status) = on_terminal(50, "$stele bench example.data --index none");
my $bar = qr/ [^\w\n]* +[\d.]+ ns +[\d.]+ x\n/;
my $expected = qr/^keys +300\n.*one by one$times.*in groups$times.*touching the data(?: +[\d.]+ %){2}\n\n/ms;
$expected = qr/${expected}time of a lookup, and how many dependent reads take as long\none dependent read$bar(?:\w[\w, ]*$bar){6}\z/;
is($status, 0, 'bench succeeds');
like($table, qr/\A$expected/, 'without a terminal bench prints only the table and the bars');
my %bars = map { /^(\w[\w, ]*?) +(#*) +([\d.]+) ns +([\d.]+) x$/ ? ($1 => [length $2, $3, $4]) : () } split /\n/, $table;
my $read = $bars{'one dependent read'} // [0, 1, 0];
is($read->[2], '1.00', 'one dependent read is the unit of the bars');
my ($most) = sort { $b <=> $a } map { $_->[1] } values %bars;
my ($widest) = sort { $b <=> $a } map { $_->[0] } values %bars;
for my $name (sort keys %bars) {
    my ($columns, $ns, $reads) = @{$bars{$name}};
    cmp_ok(abs($columns - $widest * $ns / $most), '<=', 1.01, "$name: the bar is as long as the time");
    cmp_ok(abs($reads - $ns / $read->[1]), '<=', 0.01 + 0.06 * ($reads + 1) / $read->[1], "$name: the number of reads");
    my ($row, $column) = $name =~ /^(near misses|misses|hits), (.*)$/ or next;
    my @times = $table =~ /^lookup, \Q$column\E +([\d.]+) ns +([\d.]+) ns +([\d.]+) ns$/m;
    is($ns, $times[{'hits' => 0, 'misses' => 1, 'near misses' => 2}->{$row}], "$name: the time of the table");
}
is(scalar keys %bars, 7, 'all seven bars were found');
my @bars = grep { length } bars($shown);
$shown =~ s/\r[^\n]*\r\e\[K//;
cmp_ok(scalar @bars, '>', 0, 'a terminal shows progress bars');
like($shown, qr/\A$expected/, 'the bars of progress are erased, and the table is left');
cmp_ok(longest(join "\n", map { s/[\x80-\xbf]//gr } $shown =~ /^(.* x)$/mg), '<=', 50, 'the bars fit 50 columns');
is((grep { !/^measuring example\.data (?:\[[#-]+\] )? *\d+ %(?:  \d+:\d\d left)?$/ } @bars)[0], undef,
    'a bar has the step, the file, a percentage and the time left');
cmp_ok(longest(join "\n", @bars), '<', 50, 'a bar fits one line of the terminal');

my $figures = qr/ +\d+(?: +[\d.]+ us){2} +[\d.]+ KB\n/;
$table = `$stele bench example.data --cold --index none 2>/dev/null`;
is($?, 0, 'bench --cold succeeds');
like($table, qr/\Akeys +300\ndata +0\.0 MB\n.*\n1 lookup at a time${figures}16 l.* time${figures}64 l.* time$figures\z/,
    'bench --cold prints what 1, 16 and 64 threads have reached');
open my $empty, '>', "$dir/empty.data" or die $!;
close $empty;
is_deeply([run("$stele bench '$dir/empty.data' --cold --index none")], ["stele: no keys to look up\n", 2],
    'bench --cold needs keys');

SKIP: {
    skip 'the same in each flavour, and slow in this one', 3 if $build =~ /asan/;
    my $data = "$dir/a-file-of-some-size.data";
    system("$build/tests/bench/generate 4000000 --values 1..1 > $data") == 0 or die;
    my ($check) = on_terminal(63, "$stele check $data");
    my @bars = grep { length } bars($check);
    my %steps = map { (split / /)[0] => 1 } @bars;
    ok($steps{indexing} || $steps{reading}, 'check shows the progress of reading the file');
    ok($steps{verifying}, 'check shows the progress of looking up each key');
    cmp_ok(longest(join "\n", @bars), '<', 63, 'a bar fits one line of a terminal of 63 columns');
}

done_testing();
