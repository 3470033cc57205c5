#!/usr/bin/env perl
# `stele stats` and `stele check`: their figures compared with those of a short program. Also the bars and the
# page of `stele stats`.
use strict;
use warnings;
use Fcntl ':mode';
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch qw($dir write_file read_file run_apart start_random);
use Test::More;

chdir "$FindBin::RealBin/../.." or die $!;
my $stele = ($ENV{STELE_BUILD} // 'build/release') . '/stele';
start_random();
delete @ENV{qw(COLUMNS LC_ALL LC_CTYPE LANG)};

# ---- the figures, computed once more ------------------------------------------------------------

my $model = write_file('model.py', <<'END');
import math, re, sys, uuid
table, records, bad, order, number, returns = {}, 0, 0, None, 0, 0
last = None
for number, line in enumerate(re.findall(rb'[^\n]*\n|[^\n]+\Z', open(sys.argv[1], 'rb').read()), 1):
    if not re.match(rb'[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12} ', line):
        bad += 1
        continue
    key = line[:36].lower()
    if order is None and last is not None and key < last:
        order = number
    records, last, table[key] = records + 1, key, line.rstrip(b'\n')[37:]
    returns += table[key].endswith(b'\r')
def kind(key):
    u = uuid.UUID(key.decode())
    if u.int in (0, 2**128 - 1):
        return 'max' if u.int else 'nil'
    if u.variant == uuid.RFC_4122:
        return 'version %d' % u.version if 1 <= u.version <= 8 else 'other version'
    return {uuid.RESERVED_NCS: 'variant NCS', uuid.RESERVED_MICROSOFT: 'variant Microsoft',
            uuid.RESERVED_FUTURE: 'variant reserved'}[u.variant]
print('lines %d\nkeys %d\nduplicates %d\nmalformed %d' % (number, len(table), records - len(table), bad))
print('sorted', 'yes' if order is None else 'no: the key of line %d is less than the one before' % order)
lengths = sorted(len(value) for value in table.values())
print('values %d bytes' % sum(lengths))
print('empty %d' % lengths.count(0))
if lengths:
    print('smallest %d bytes\nlargest %d bytes' % (lengths[0], lengths[-1]))
    for percent in ('10', '50', '90', '99', '99.9'):
        at = max(1, math.ceil(float(percent) / 100 * len(lengths)))
        print('%s %% at most %d bytes' % (percent, lengths[at - 1]))
print('check CR at the end of %d values' % returns)
if number:
    print('check last line', 'ends in a newline' if line.endswith(b'\n') else 'has no newline')
if table:
    print('check first key', min(table).decode())
    print('check last key', max(table).decode())
kinds = [kind(key) for key in table]
for name in set(kinds):
    print('%s: %d' % (name, kinds.count(name)))
END

# Returns the lines of the model that `stele check` prints differently. Kinds of keys are in one line there.
sub missing_in_check {
    my ($shown, $file) = @_;
    my ($wanted) = run_apart("python3 $model $file");
    my @missing;
    my ($kinds) = $shown =~ /^kinds +(.*)$/m;
    is(join(', ', sort split /, /, $kinds // ''), join(', ', sort $wanted =~ /^(.*: \d+)$/mg), "$file: check: the kinds of keys");
    for my $line (grep { !/: \d+$|^sorted/ } split /\n/, $wanted) {
        next if $line =~ /^(?:10|90|99\.9) %/ || ($line eq 'empty 0' && $shown =~ /^keys +0$/m);
        my $pattern = join ' +', map { quotemeta } split / /, $line =~ s/^check //r;
        push @missing, $line if $shown !~ /^$pattern$/m;
    }
    return @missing;
}

# Returns the lines of the model in which `stele stats` differs from it.
sub missing {
    my ($shown, $file) = @_;
    my ($wanted) = run_apart("python3 $model $file");
    my @missing;
    for my $line (grep { !/^check / } split /\n/, $wanted) {
        my $pattern = join ' +', map { quotemeta } split / /, $line;
        $pattern = quotemeta($1) . ' +#* +' . $2 if $line =~ /\A(.*): (\d+)\z/;
        push @missing, $line if $shown !~ /^$pattern\b/m;
    }
    return @missing;
}

sub uuid { return sprintf '%04x%04x-%04x-%04x-%04x-%04x%04x%04x', map { int rand 65536 } 1 .. 8 }
sub v4 { return uuid() =~ s/\A(.{14}).(.{4})./$1 . '4' . $2 . (8, 9, 'a', 'b')[rand 4]/er }
sub v7 { return uuid() =~ s/\A(.{14}).(.{4})./$1 . '7' . $2 . (8, 9, 'a', 'b')[rand 4]/er }
sub lines { return join '', map { "$_ " . 'x' x int(rand 150) . "\n" } @_ }

my @mixed = map { (v4(), v4(), v7(), uuid()) } 1 .. 700;
my %files = (
    empty => '',
    one => v4() . ' value',
    v4 => lines(map { v4() } 1 .. 2000),
    sorted => lines(sort map { v7() } 1 .. 500),
    mixed => lines(@mixed, (map { uc } @mixed[0 .. 99]), @mixed[50 .. 149]) . "bad\n\n" . lines(
        '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    long => lines(map { v4() } 1 .. 300) . v4() . ' ' . 'y' x 2047 . "\n" . v4() . ' ' . 'z' x 70_000 . "\n",
    same => join('', map { v4() . " 0123456789\n" } 1 .. 50),
    none => "bad\nworse\n",
    returns => lines(map { v4() } 1 .. 20) =~ s/\n/\r\n/gr . lines(map { v4() } 1 .. 5),
);
for my $name (sort keys %files) {
    my $file = write_file("$name.data", $files{$name});
    for my $indexed ('without', 'with') {
        is((run_apart("$stele index --skip-malformed $file"))[1], 0, "($name: index)") if $indexed eq 'with';
        my ($shown, $status) = run_apart("$stele stats $file");
        is($status, 0, "$name, $indexed an index file: exit status");
        my @missing = missing($shown, $file);
        is_deeply(\@missing, [], "$name, $indexed an index file: the figures") or diag($shown);
        unlike($shown, qr/[^\n -~]/, "$name: a pipe gets only ASCII");
        my ($checked) = run_apart("$stele check $file");
        @missing = missing_in_check($checked, $file);
        is_deeply(\@missing, [], "$name, $indexed an index file: what check shows") or diag($checked);
    }
}

# ---- bars ---------------------------------------------------------------------------------------

# Returns the rows below a title: label, bar, count and percent.
sub rows {
    my ($shown, $title) = @_;
    my ($part) = $shown =~ /^\Q$title\E\n(.*?)(?:\n\n|\z)/ms;
    return map { /\A(\S(?:.*?\S)?) +([^ \w]*) +(\d+) +([\d.]+) %\z/ ? [$1, $2, $3, $4] : ["strange: $_", '', 0, 0] }
        split /\n/, $part // '';
}

my ($shown) = run_apart("$stele stats $dir/v4.data");
my @rows = rows($shown, 'lengths of values, in bytes');
is(join(' ', map { $_->[0] } @rows), join(' ', map { 10 * $_ . '-' . (10 * $_ + 9) } 0 .. 14),
    'lengths below 150 are in steps of ten');
my $sum = 0;
$sum += $_->[2] for @rows;
is($sum, 2000, 'the rows have all values');
my ($longest) = sort { $b <=> $a } map { length $_->[1] } @rows;
my ($most) = sort { $b <=> $a } map { $_->[2] } @rows;
is((grep { abs(length($_->[1]) - $longest * $_->[2] / $most) > 1 } @rows)[0], undef, 'the bars are as long as the counts');
($shown) = run_apart("$stele stats $dir/long.data");
is(join(' ', map { $_->[0] } (rows($shown, 'lengths of values, in bytes'))[-6 .. -1]),
    '2048-4095 4096-8191 8192-16383 16384-32767 32768-65535 65536-131071', 'long values are in powers of two');

sub widest {
    my ($widest) = sort { $b <=> $a } map { length } split /\n/, $_[0];
    return $widest;
}
for my $columns (40, 60, 80, 200) {
    ($shown) = run_apart("COLUMNS=$columns $stele stats $dir/mixed.data");
    my ($bars) = $shown =~ /^kinds of keys\n(.*)/ms;
    cmp_ok(widest($bars), '<=', $columns > 47 ? $columns : 47, "the bars fit $columns columns");
}
my ($drawn) = run_apart(qq{LANG=C.UTF-8 script -qec "stty cols 70; $stele stats $dir/v4.data" /dev/null});
like($drawn, qr/^version 4 +(?:\xe2\x96\x88)+ +2000 100\.00 %/m, 'a terminal shows blocks');
($drawn) = run_apart(qq{LANG=C script -qec "stty cols 70; $stele stats $dir/v4.data" /dev/null});
like($drawn, qr/^version 4 +#+ +2000 100\.00 %/m, 'a terminal without UTF-8 shows ASCII');

# ---- the page -----------------------------------------------------------------------------------

my $page_check = write_file('page.py', <<'END');
import html.parser, sys
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.cells, self.names, self.refs, self.title = [], [], [], [], ''
    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        if tag != 'meta':
            self.open.append(tag)
        self.refs += [n for n, v in attributes if n in ('src', 'href', 'srcset') or n.startswith('on')]
        self.cells += [''] if tag in ('td', 'text') else []
    def handle_startendtag(self, tag, attributes):
        self.names.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag
    def handle_data(self, data):
        if self.open and self.open[-1] in ('td', 'text'):
            self.cells[-1] += data
        if self.open[-2:] == ['head', 'title']:
            self.title += data
page = Page()
text = open(sys.argv[1]).read()
page.feed(text)
print(page.open, page.refs, [n for n in page.names if n in ('script', 'link', 'img', 'iframe', 'object')],
      'url(' in text, '@import' in text, page.names.count('svg'))
print(page.title)
print('\n'.join(page.cells))
END
my $odd = write_file(q{a <b> & "c" '.data}, $files{mixed});
my ($plain) = run_apart("$stele stats '$dir/mixed.data'");
($shown, my $status) = run_apart(qq{$stele stats "\$(printf '%s' '$dir/a <b> & "c" '"'"'.data')" --html $dir/page.html});
is($status, 0, '--html: exit status');
is($shown, $plain, '--html prints the figures too');
my ($page, $good) = run_apart("python3 $page_check $dir/page.html");
is($good, 0, 'the page can be parsed');
my ($summary, $title, @cells) = split /\n/, $page;
is($summary, '[] [] [] False False 3', 'all tags are closed, nothing is loaded, there are three pictures');
is($title, $odd, 'the title is the name of the file');
my $html = qx{cat $dir/page.html};
my ($highest) = sort { $b <=> $a } $html =~ m{<title>[0-9a-f]{2}: (\d+)</title>}g;
my ($scale) = $html =~ /first byte, at most (\d+) for each/;
is($scale, $highest, 'the heading of the first bytes has their scale');
my %cells = map { $_ => 1 } @cells;
is((grep { /\A(\w+) +(\d+)\z/ && !$cells{$2} } split /\n/, $plain)[0], undef, 'the page has the figures');
is((grep { !$cells{$_->[0]} } rows($plain, 'kinds of keys'))[0], undef, 'the page has the kinds of keys');
chmod 0640, "$dir/v4.data" or die $!;
is((run_apart("$stele stats $dir/v4.data --html $dir/second.html"))[1], 0, '(another page)');
is(S_IMODE((stat "$dir/second.html")[2]), 0640, 'the page has the permissions of the file');
($page) = run_apart("$stele stats $dir/v4.data --html -");
is($page, read_file("$dir/second.html"), '--html - prints only the page');
is((run_apart("$stele stats $dir/$_.data --html $dir/$_.html"))[1], 0, "$_: a page") for 'empty', 'none', 'long';

my $before = read_file("$dir/page.html");
is_deeply([run_apart("$stele stats $dir/v4.data --html $dir/page.html")],
    ['', 2, "stele: '$dir/page.html' exists already and is not replaced\n"], 'a file that exists is not replaced');
is(read_file("$dir/page.html"), $before, 'its content is the same');
is((run_apart("$stele stats $dir/v4.data --html $dir/v4.data"))[1], 2, 'the data file is not replaced');
is((run_apart("bash -c 'ulimit -f 1; exec $stele stats $dir/v4.data --html $dir/late.html'"))[1], 2, 'the disk is full');
is((run_apart("$stele stats $dir/v4.data > /dev/full"))[1], 2, 'standard output is full');
is((run_apart("$stele stats $dir/missing --html $dir/late.html"))[1], 2, 'a missing file');
is((run_apart("$stele stats $dir"))[1], 2, 'a folder');
is_deeply([grep { /late|\.tmp\z/ } glob "$dir/*"], [], 'nothing is left');

done_testing();
