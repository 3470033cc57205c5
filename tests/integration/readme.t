#!/usr/bin/perl
# Checks that the pages are true. Every example of README.md, docs/clients.md, docs/testing.md,
# docs/contributing.md and docs/data-format.md is run as it is printed, and its output is compared with
# the page. Tables are compared with the programs, messages with the source, links with the files.
#
# The examples use a real server on a port that the system chooses. So the test adds `-p PORT` for
# redis-cli, and PORT for the client programs; `build/` becomes $STELE_BUILD. redis-cli prints as on a
# terminal (--no-raw). A fenced block or a command of an unknown kind is a failure.
use strict;
use warnings;
use File::Spec;
use File::Temp;
use FindBin;
use JSON::PP;
use Test::More;

my $root = File::Spec->rel2abs("$FindBin::RealBin/../..");
chdir $root or BAIL_OUT("cannot enter $root: $!");
my $build = File::Spec->rel2abs($ENV{STELE_BUILD} || 'build/release');
my $dir = File::Temp->newdir('stele-readme-XXXXXX', TMPDIR => 1);
my %program_file = (c => 'client.c', python => 'client.py', javascript => 'client.js');
$ENV{NODE_PATH} = '/usr/share/nodejs';
$ENV{LC_ALL} = 'C.UTF-8';
$ENV{COLUMNS} = 1000; # --help wraps no line

# ---- helpers ------------------------------------------------------------------------------------

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or BAIL_OUT("cannot read $path: $!");
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}

sub spit {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or BAIL_OUT("cannot write $path: $!");
    print $file $text;
    close $file or BAIL_OUT("cannot write $path: $!");
}

# Returns what a shell command prints to both streams, and its exit status.
sub run {
    my ($where, $command) = @_;
    spit("$dir/command.sh", "cd '$where' && $command\n");
    my $out = qx{timeout 60 sh '$dir/command.sh' 2>&1 </dev/null};
    return ($out, $? >> 8);
}

# Returns the part of a page from a heading to the next heading of the same depth.
sub section {
    my ($page, $heading) = @_;
    my ($text) = $page =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms;
    BAIL_OUT("no section '$heading'") if !defined $text;
    return $text;
}

# Returns the rows of the tables in a text, without head and rule. `\|` in a cell becomes `|`.
sub table_rows {
    my ($text) = @_;
    my @rows;
    my @lines = grep { /^\|/ } split /\n/, $text;
    for my $i (0 .. $#lines) {
        next if $lines[$i] =~ /^\|-/ || ($i < $#lines && $lines[$i + 1] =~ /^\|-/);
        my ($inner) = $lines[$i] =~ /^\|(.*)\|$/;
        my @cells = map { s/\\\|/|/gr } split /(?<!\\)\|/, $inner, -1;
        s/^ | $//g for @cells;
        push @rows, \@cells;
    }
    return @rows;
}

# ---- the server ---------------------------------------------------------------------------------

my $server; # process id; it is ours to end
END {
    if ($server) {
        local $?;
        kill 'TERM', $server;
        waitpid $server, 0;
    }
}
$SIG{ALRM} = sub { BAIL_OUT('no ready line within 60 s') };

sub start_server {
    pipe my $reading, my $writing or BAIL_OUT("pipe: $!");
    $server = fork // BAIL_OUT("fork: $!");
    if ($server == 0) {
        open STDOUT, '>&', $writing or die $!;
        open STDERR, '>', "$dir/log" or die $!;
        exec "$build/stele-server", 'example.data', '--port', '0' or die "exec: $!";
    }
    close $writing;
    alarm 60;
    my $line = <$reading>;
    alarm 0;
    if (!defined $line) {
        diag(slurp("$dir/log"));
        BAIL_OUT("$build/stele-server does not start");
    }
    return $line;
}

my $readme = slurp('README.md');
my $ready = start_server();
my ($port) = $ready =~ /^ready 127\.0\.0\.1:(\d+) \d+ keys in [\d.]+ seconds$/
    or BAIL_OUT("strange ready line: $ready");

# ---- the fenced blocks --------------------------------------------------------------------------

# Returns how to run a command of a console block: folder and command line. Nothing if unknown.
sub translate {
    my ($command) = @_;
    return ($root, "redis-cli -p $port --no-raw$1") if $command =~ /^redis-cli( .*)/;
    return ($root, $command =~ s{\bbuild/stele }{'$build/stele' }gr) if $command =~ m{^build/stele };
    return ($dir, $command) if $command =~ /^cc /;
    return ($dir, "$command $port") if $command =~ m{^\./client$};
    return ($dir, "/usr/bin/python3$1 $port") if $command =~ /^python3( \S+)$/;
    return ($dir, "node$1 $port") if $command =~ /^node( \S+)$/;
    return;
}

sub test_console {
    my ($block) = @_;
    my @steps = split /^\$ /m, $block;
    is(shift @steps, '', 'a console block begins with a command');
    for my $step (@steps) {
        my ($command, $shown) = $step =~ /^(.*)\n(.*)\z/s ? split(/\n/, $step, 2) : ($step, '');
        my ($where, $line) = translate($command);
        if (!defined $line) {
            fail("a command of a known kind: $command");
            next;
        }
        my ($out, $status) = run($where, $line);
        $out =~ s/\n+\z/\n/;
        is($out, $shown, "\$ $command");
        # redis-cli reports an error in its text only. All other commands shown succeed.
        is($status, 0, "exit status of $command") if $command !~ /^redis-cli/;
    }
}

my $makefile = slurp('Makefile');

# Runs a test that a page runs, if its flavour is built. `make test` runs it in any case.
sub test_program {
    my ($command, $settings, $program, $arguments) = @_;
    my $source = $program =~ s{^build/\w+/}{}r . '.c';
    ok(-e $source, "$command: there is $source");
    return if !-x $program;
    my ($out, $status) = run($root, $settings . $program . $arguments);
    is($status, 0, "$command: it passes") or diag($out);
}

sub test_prove {
    my ($command, $prove) = @_;
    my @tests = $prove =~ m{((?:build|tests)/\S+)}g;
    ok(@tests > 0, "$command: it names tests");
    ok(-e ($_ =~ m{^build/\w+/(.*)} ? "$1.c" : $_), "$command: there is $_") for @tests;
    return if grep { !-x && !/\.t$/ } @tests;
    my ($out, $status) = run($root, "STELE_BUILD='$build' $prove");
    is($status, 0, "$command: it passes") or diag($out);
}

sub test_shell {
    my ($block, $options, $targets, $need) = @_;
    for my $command (split /\n/, $block) {
        if ($command =~ m{^make((?: build/\S+)+)$}) {
            my ($out, $status) = run($root, "make -n --no-print-directory$1");
            is($status, 0, "$command: the Makefile has such a target") or diag($out);
        } elsif ($command =~ m{^((?:STELE_\w+=\S+ )*)(build/asan/tests/\S+)( tests/\S+)?$}) {
            test_program($command, $1, $2, $3 // '');
        } elsif ($command =~ m{^STELE_BUILD=(build/\w+) (prove .*)$}) {
            test_prove($command, $2);
        } elsif ($command =~ /^make( [\w-]+)?((?: [A-Z]+=\w+)*)$/) {
            my ($target, $variables) = ($1 // ' all', $2);
            ok($targets->{substr $target, 1}, "$command: `make help` lists it");
            like($makefile, qr/\$\(\Q$_\E\)/, "$command: the Makefile reads $_")
                for $variables =~ /([A-Z]+)=/g;
        } elsif ($command =~ /^sudo apt-get install (.*)$/) {
            like($need, qr/^ *want \Q$_\E /m, "$command: .ci/need knows $_") for split / /, $1;
        } elsif ($command =~ /^sed '.*' devices\.csv > devices\.data$/) {
            spit("$dir/devices.csv", "id,value\r\n3479d894-3271-4935-88cf-a06f3cbb80a5,one, two\r\n");
            my ($out, $status) = run($dir, $command);
            is(slurp("$dir/devices.data"), "3479d894-3271-4935-88cf-a06f3cbb80a5 one, two\n", $command);
        } elsif ($command =~ m{^build/stele (check devices\.data)$}) {
            my ($out, $status) = run($dir, "'$build/stele' $1");
            is($status, 0, $command) or diag($out);
        } elsif ($command =~ m{^build/stele-server \S+(.*)$}) {
            ok($options->{$_}, "$command: --help lists $_") for $1 =~ /(--[a-z-]+)/g;
        } elsif ($command =~ /^mv (\S+)\.new \1$|^kill -HUP "\$\(pidof stele-server\)"$/) {
            pass("$command: tests/faults/f03_renamed.c does it");
        } else {
            fail("a command of a known kind: $command");
        }
    }
}

my ($help) = run($root, "'$build/stele-server' --help");
# A heading is a row with an empty second cell.
my @help_rows = map { [/^(\S.*):$/ ? ("**$1**", '')
                       : /^  (--\S+(?: \S+)?) {2,}(.*)$/ ? ($1, $2) : ("strange row: $_")] }
    grep { /^  |:$/ && !/^usage/ } split /\n/, $help;
my %options = map { (split / /, $_->[0])[0] => 1 } @help_rows;
my ($make_help) = run($root, 'make --no-print-directory help');
my %targets = map { /^  make (\S+)/ ? ($1 => 1) : () } split /\n/, $make_help;

my %seen;
my $testing = slurp('docs/testing.md');
my $contributing = slurp('docs/contributing.md');
my $examples = $readme . slurp('docs/clients.md') . $testing . $contributing;
while ($examples =~ /^```(\S*)\n(.*?)^```$/msg) {
    my ($kind, $block) = ($1, $2);
    $seen{$kind}++;
    if ($program_file{$kind}) {
        my $before = substr $examples, 0, $-[0];
        like($before, qr/`\Q$program_file{$kind}\E`:\n\n\z/, "$program_file{$kind} is named");
        spit("$dir/$program_file{$kind}", $block);
    } elsif ($kind eq 'console') {
        test_console($block);
    } elsif ($kind eq 'sh') {
        test_shell($block, \%options, \%targets, slurp('.ci/need'));
    } elsif ($kind eq 'text' && $block =~ /^ready /) {
        my ($real, $shown) = map { s/:\d+ /:PORT /r =~ s/[\d.]+ seconds/TIME seconds/r }
            $ready, $block;
        is($shown, $real, 'the ready line');
    } elsif ($kind ne 'text') {
        fail("a fenced block of a known kind: '$kind'");
    }
}
is_deeply([map { $seen{$_} || 0 } qw(c python javascript)], [1, 1, 1], 'a client in each language');
ok($seen{console} >= 5, 'the examples were found');

# Commands in the text of the pages about testing. A `define` makes test-asan and test-release.
for my $command (($testing . $contributing) =~ /`(make [^`]+)`/g) {
    my $goals = $command =~ s/ [A-Z]+=(?:"[^"]*"|\S+)//gr =~ s/^make(?: -j\d+)?//r;
    my @unknown = grep { !$targets{$_} && $makefile !~ /^\Q$_\E:/m && !m{^build/}
                             && !/^test-(?:asan|release)$/ } split ' ', $goals;
    is_deeply(\@unknown, [], "$command: the Makefile knows it");
}

# The command that docs/contributing.md shows is a real one.
my ($example) = $contributing =~ /^```text\n(static enum command_result .*?)\n```$/ms;
my $commands_source = slurp('src/commands/stele.c');
for my $part (split /\n\n/, $example // 'no example') {
    my ($first) = split /\n/, $part;
    ok(index($commands_source, $part) >= 0, "src/commands/stele.c has: $first");
}

# ---- the tables ---------------------------------------------------------------------------------

my @option_rows = map { [$_->[0] =~ s/^`|`$//gr, $_->[1]] } table_rows(section($readme, 'Options'));
ok(@help_rows > 10 && (grep { $_->[1] eq '' } @help_rows) > 3, '--help was parsed');
is_deeply(\@option_rows, \@help_rows, 'the table of options is that of --help');

my ($tool_help) = run($root, "'$build/stele' --help");
my @tool_rows = map { [/^  (\S.*?) {2,}(.*)$/ ? ($1, $2) : ("strange row: $_")] }
    grep { /^  / } split /\n/, $tool_help;
my @subcommand_rows =
    map { [$_->[0] =~ s/^`|`$//gr, $_->[1]] } table_rows(section($readme, 'The tool'));
ok(@tool_rows >= 2, 'stele --help was parsed');
is_deeply(\@subcommand_rows, \@tool_rows, 'the table of subcommands is that of stele --help');

# Returns every command and subcommand that is answered: those of COMMAND that do not write, and
# containers of such commands.
sub answered {
    my ($name, $flags, $inner) = @{$_[0]}[0, 2, 9];
    my @answered = map { answered($_) } @$inner;
    my $itself = @$inner ? @answered || $name eq 'command' : !grep { $_ eq 'write' } @$flags;
    return ($itself ? uc $name =~ s/\|/ /r : (), @answered);
}
my ($json) = run($root, "redis-cli -p $port --json command");
my @commands = map { answered($_) } @{JSON::PP->new->utf8->decode($json)};
my @documented = slurp('docs/commands.md') =~ /^\| \[?`([^`]+)`\]?/mg;
is_deeply([sort @documented], [sort @commands], 'docs/commands.md has the commands of COMMAND');
my @overview = map { $_->[1] =~ /`([^`]+)`/g } table_rows(section($readme, 'Commands') =~ s/^###.*//msr);
ok(@overview > 20, 'the overview of commands was found');
my %command = map { $_ => 1 } @commands;
ok($command{$_}, "$_ of the overview is a command") for @overview;

my ($unknown) = section($readme, 'What it is not') =~ /((?:`[A-Z]+`\W+(?:and )?)+)are unknown/;
my @unknown = ($unknown || '') =~ /`([A-Z]+)`/g;
ok(@unknown > 1, 'the page names commands that are unknown');
for my $name (@unknown) {
    my ($out) = run($root, "redis-cli -p $port --no-raw $name a b");
    like($out, qr/ERR unknown command '$name'/, "$name is unknown");
}

# ---- the index of the pages ---------------------------------------------------------------------

my $index = slurp('docs/README.md');
for my $page (grep { $_ ne 'README.md' } map { s{^docs/}{}r } glob 'docs/*.md') {
    like($index, qr/\]\(\Q$page\E\)/, "docs/README.md lists $page");
}

# ---- places -------------------------------------------------------------------------------------

for my $page ('README.md', 'redis-compat/README.md', glob 'docs/*.md') {
    my $text = slurp($page);
    my ($folder) = $page =~ m{^(.*/)?[^/]*$};
    $folder = defined $folder ? $folder : '';
    while ($text =~ /\]\(([^)#]*)(?:#([^)]*))?\)/g) {
        my ($path, $anchor) = ($1, $2);
        next if $path =~ /^https?:/;
        my $target = $path eq '' ? $page : "$folder$path";
        ok(-e $target, "$page: the link to $target leads somewhere") or next;
        next if !defined $anchor;
        my @anchors = map { lc s/[^\w -]//gr =~ tr/ /-/r } slurp($target) =~ /^#+ (.*)$/mg;
        ok((grep { $_ eq $anchor } @anchors), "$page: $target has a heading for #$anchor");
    }
}
my %named;
my $places = $readme . slurp('docs/design.md') . $testing . $contributing;
while ($places =~ m{`((?:src|tests|docs|\.ci)/[^`\s]*)`}g) {
    ok(-e $1, "$1 exists") if !$named{$1}++;
}
ok($named{"$_/"}, "the map shows $_/") for grep { -d } glob 'src/*';
my $need = slurp('.ci/need');
$need =~ s/^if \[ "\$\{1:-build\}" = (?!test )\S+ \]; then\n.*?^fi\n//msg; # what other targets want
my ($needs) = $testing =~ /As Debian names them:\s(.*?)\./s;
is_deeply([sort grep { $_ ne 'and' } ($needs || '') =~ /([a-z][a-z0-9-]+)/g],
          [sort($need =~ /^ *want(?:_unpacked)? (\S+) /mg)],
          'the packages of the tests are those of .ci/need');

# ---- docs/data-format.md ------------------------------------------------------------------------

my %stands_for = (KEY1 => '3479d894-3271-4935-88cf-a06f3cbb80a5',
                  KEY2 => 'f8a24bb8-eff8-41dc-929b-10b4c3e49e05');
$stands_for{UPPER1} = uc $stands_for{KEY1};

sub bytes {
    my ($text) = @_;
    my %escape = (n => "\n", r => "\r", t => "\t");
    $text =~ s/(KEY1|KEY2|UPPER1)/$stands_for{$1}/g;
    $text =~ s/\\(?:x([0-9a-f]{2})|([nrt]))/defined $1 ? chr hex $1 : $escape{$2}/ge;
    return $text;
}

# Returns what a message shows of a line: 40 bytes.
sub message {
    my ($text) = @_;
    $text =~ s/(KEY1|KEY2|UPPER1)/$stands_for{$1}/g;
    $text =~ s/'(.*)'$/"'" . shown($1) . "'"/e;
    return $text;
}

sub shown {
    my ($text) = @_;
    my @bytes = $text =~ /(\\x[0-9a-f]{2}|.)/g;
    return @bytes > 40 ? join('', @bytes[0 .. 39]) . '...' : $text;
}

my @rulings = table_rows(section(slurp('docs/data-format.md'), 'At a glance'));
ok(@rulings > 20, 'the rulings were found');
for my $ruling (@rulings) {
    my ($content, $values, $reported) = @$ruling;
    my ($text) = $content =~ /^`(.*)`$/;
    spit("$dir/FILE", defined $text ? bytes($text) : '');
    my ($out, $status) = run($dir, "'$build/stele' check FILE");
    my $unterminated = defined $text && bytes($text) =~ /[^\n]\z/;
    is($out =~ s/^stele: the last line of 'FILE' does not end in a newline: .*\n//mg || 0, $unterminated ? 1 : 0,
        "$content: the warning about a last line without a newline");
    my ($messages) = $out =~ /^(.*?)^bytes /ms;
    my $expected = join '', map { message(s/^`|`$//gr) . "\n" } split /<br>/, $reported;
    is($messages, $expected, "$content: what is reported");
    is($status, $values eq '' ? 1 : 0, "$content: accepted or refused");
    next if $values eq '';
    my %value = $values =~ /`(KEY\d)` = (\(empty\)|`[^`]*`)/g;
    my ($keys) = $out =~ /^keys +(\d+)$/m;
    is($keys, scalar keys %value, "$content: number of keys");
    for my $key (sort keys %value) {
        my ($got) = run($dir, "'$build/stele' get FILE $stands_for{$key} 2>/dev/null");
        my ($expected_value) = $value{$key} =~ /^`(.*)`$/;
        is($got, bytes($expected_value // '') . "\n", "$content: value of $key");
    }
}

# ---- docs/operations.md -------------------------------------------------------------------------

# Each message of the tables of failures must be in the source. `…` replaces what varies.
my $source = join '', map { slurp($_) } glob 'src/*.c src/*/*.c src/*/*/*.c';
$source =~ s/"\s*(?:PRI[a-z0-9]+\s*)?"//g; # literals that are continued
$source =~ s/\\n//g;
my $operations = slurp('docs/operations.md');
my @failures = table_rows(section($operations, 'What you see, what it means, what to do'));
ok(@failures > 30, 'the failures were found');
for my $failure (@failures) {
    my ($messages) = $failure->[0] =~ /^`(?:[#*] )?(.*)`$/ or next;
    for my $message (split /`, `/, $messages) {
        $message =~ s/^cannot .*\K: [A-Z][a-z ]+$//; # what the system says
        my @unknown = grep { index($source, $_) < 0 } map { s/^'\s*|'$//gr } split /…|: /, $message;
        is_deeply(\@unknown, [], "the source says: $message");
    }
}
# Names that begin with redis_ are those of the exporter; redis-compat/tools/redis-exporter checks them. Those that
# begin with stele_ are those of stele metrics; metrics.t checks them.
my @info = grep { !/^(?:redis|stele)_/ } map { $_->[0] =~ /`([a-z_]+)`/g }
    grep { $_->[0] =~ /^`/ } table_rows(section($operations, 'Monitoring'));
my ($all) = run($root, "redis-cli -p $port info everything");
ok(@info > 8, 'the fields of INFO were found');
like($all, qr/^\Q$_\E:/m, "INFO has $_") for @info;
like($help, qr/^  \Q$_\E /m, "$_ is an option")
    for grep { !/^--(?:any-reply|cold|inplace|interval|kill-who|label|now|once|rdb|textfile)$/ } $operations =~ /[`" ](--[a-z-]+)/g;

# ---- the end ------------------------------------------------------------------------------------

kill 'TERM', $server;
waitpid $server, 0;
undef $server;
is($?, 0, "the server's exit code");
done_testing();
