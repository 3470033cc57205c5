#!/usr/bin/env perl
# Tests `make install`, `make uninstall` and `make dist`: which files are installed, the manual pages, the
# shell completion in a real bash and a real zsh, and that nothing is left in the end.
# tests/integration/library.t tests the library, and confinement.t the systemd unit.
use strict;
use warnings;
use File::Find;
use FindBin;
use lib "$FindBin::RealBin/../support";
use IPC::Open2;
use Scratch qw($dir read_file);
use Test::More;

plan skip_all => 'the same in each flavour' if ($ENV{STELE_BUILD} // '') =~ /asan/;
my $root = "$dir/root";
my $make = "make -s DESTDIR=$root PREFIX=/usr";

sub files {
    my ($top) = @_;
    my @found;
    find({no_chdir => 1, wanted => sub { push @found, $File::Find::name =~ s/^\Q$top\E\///r if -l || -f }}, $top);
    return sort { $a cmp $b } @found;
}

# ---- what is installed --------------------------------------------------------------------------

is(system("$make install"), 0, 'make install');
my ($version) = read_file('src/base/version.h') =~ /define STELE_VERSION "(.*)"/;
my @installed = files($root);
my %have = map { $_ => 1 } @installed;
ok($have{$_}, "$_ is installed") for qw(
    etc/logrotate.d/stele usr/bin/stele usr/bin/stele-server usr/include/stele.h
    usr/lib/libstele.a usr/lib/libstele.so usr/lib/libstele.so.0 usr/lib/pkgconfig/libstele.pc
    usr/lib/systemd/system/stele-server@.service usr/share/bash-completion/completions/stele
    usr/share/bash-completion/completions/stele-server usr/share/zsh/site-functions/_stele
    usr/share/man/man1/stele.1 usr/share/man/man3/stele.3 usr/share/man/man8/stele-server.8
    usr/share/doc/stele/LICENSE usr/share/doc/stele/README.md usr/share/doc/stele/docs/operations.md
    usr/share/doc/stele/docs/changelog.md), "usr/lib/libstele.so.$version";
is_deeply([grep { !m{^(?:etc/logrotate\.d|usr/(?:bin|include|lib|share))/} } @installed], [], 'nothing is elsewhere');
for my $path (@installed) {
    my $mode = (stat "$root/$path")[2] & 0777;
    is(sprintf('%o', $mode), $path =~ m{^usr/bin/} ? '755' : '644', "the mode of $path");
}
my @placeholders = grep { $_ !~ m{\.md$|usr/bin|/libstele\.(?:a|so)} && read_file("$root/$_") =~ /@[A-Z]+@/ } @installed;
is_deeply(\@placeholders, [], 'no placeholder is left');
is(read_file("$root/usr/lib/pkgconfig/libstele.pc") =~ /^Version: (.*)$/m ? $1 : '', $version, 'the version of libstele.pc');

# Pages link to each other, and to files that users need. Links to sources, to raw measurements and to
# manual pages lead nowhere: man finds these.
for my $page (grep { /\.md$/ } @installed) {
    my ($folder) = $page =~ m{^(.*/)};
    my @lost;
    for my $link (read_file("$root/$page") =~ /\]\(([^)#: ]+)[)#]/g) {
        next if $link =~ m{^\.\./(?:src|tests)/|^(?:man|packaging)/|\.tsv$};
        push @lost, $link if !-e "$root/$folder$link";
    }
    is_deeply(\@lost, [], "$page: its links to pages, pictures and files");
}
my ($shown) = read_file('docs/operations.md') =~ m{^```text\n# /etc/logrotate\.d/stele\n(.*?)^```}ms;
my $rotation = read_file("$root/etc/logrotate.d/stele");
is($shown, $rotation, 'docs/operations.md shows the configuration of logrotate');
# By default, systemctl kill sends the signal to the command of --reload-verify too, and ends it.
like($rotation, qr/^ +systemctl kill --kill-who=main /m, 'the signal after a rotation goes to the servers only');

# ---- manual pages -------------------------------------------------------------------------------

my %pages = ('stele-server' => 'man8/stele-server.8', stele => 'man1/stele.1', libstele => 'man3/stele.3');
my $all = join ' ', map { "$root/usr/share/man/$_" } sort values %pages;
# The pages refer to each other, but mandoc looks for them only where the system has its pages.
my @complaints = grep { !/referenced manual not found: Xr (?:stele 1|stele 3|stele-server 8)\b/ } `mandoc -Tlint $all 2>&1`;
is_deeply(\@complaints, [], 'mandoc finds nothing to complain about');
# mandoc prints a bold character as the character, a backspace and the character again.
my %text = map { $_ => `mandoc -Tutf8 -O width=200 $root/usr/share/man/$pages{$_}` =~ s/.\x08//gr } keys %pages;
like($text{'stele-server'}, qr/^ +\Q$_\E\b/m, "stele-server(8) has $_")
    for `build/release/stele-server --help` =~ /^  (--[a-z-]+)/mg;
for my $name (`build/release/stele --help` =~ /^  ([a-z]+) /mg) {
    like($text{stele}, qr/^ +\Q$name\E\b/m, "stele(1) has $name");
    my @lost = grep { $text{stele} !~ /^ +\Q$_\E\b/m } grep { $_ ne '--help' }
        `build/release/stele help $name` =~ /^  (--[a-z-]+)/mg;
    is_deeply(\@lost, [], "stele(1) has the options of $name");
}
for my $function (read_file('src/data/stele.h') =~ /^[a-z].*\b(stele_\w+)\(/mg) {
    like($text{libstele}, qr/\b$function\(/, "stele(3) has $function");
    is(readlink "$root/usr/share/man/man3/$function.3", 'stele.3', "and is the page of $function");
}
like($text{$_}, qr/version \Q$version\E of Stele/, "the page of $_ has the version") for sort keys %text;
# The example of stele(3) is a program.
my ($example) = $text{libstele} =~ /^EXAMPLES\n.*?^ +(#include.*?)^\S/ms;
open my $source, '>', "$dir/example.c" or die $!;
print $source $example;
close $source;
is(system("\${CC:-cc} -Wall -Werror -I$root/usr/include $dir/example.c -o $dir/example $root/usr/lib/libstele.a -pthread"), 0,
    'the example of stele(3) compiles');
is(`$dir/example example.data F8A24BB8-EFF8-41DC-929B-10B4C3E49E05`, "1234\n", 'and prints the value of a key');

# ---- completion ---------------------------------------------------------------------------------

# Types lines into a shell that runs on a terminal, and compares what the commands then receive. In place
# of the programs, functions print their words.
sub completes {
    my ($shell, $setup, @cases) = @_;
    local $ENV{TERM} = 'dumb';
    my $pid = open2(my $out, my $in, 'timeout', '60', 'script', '-qefc', $shell, '/dev/null');
    my $said = '';
    my $wait = sub {
        my ($pattern) = @_;
        while ($said !~ $pattern) {
            sysread $out, my $more, 4096 or return;
            $said .= $more;
        }
        my ($found) = $said =~ $pattern;
        $said = '';
        return $found;
    };
    my $say = sub { syswrite $in, $_[0] };
    $say->("cd $dir/table; $setup\n");
    $say->("$_() { echo \"<\$*>\"; }\n") for 'stele', 'stele-server';
    $say->("echo ready-\$((1 + 1))\n");
    ok($wait->(qr/(ready-2)/), "$shell: it starts") or diag($said);
    for my $case (@cases) {
        my ($typed, $received) = @$case;
        $say->("$typed\n");
        is($wait->(qr/^<([^\$\n]*)>\r?\n/m), $received, "$shell: " . $typed =~ s/\t/ TAB /gr) or diag($said);
    }
    $say->("exit\n");
    close $in;
    1 while sysread $out, my $rest, 4096;
    waitpid $pid, 0;
}
my @cases = (["stele rollb\tx", "rollback x"], ["stele help rollb\t", "help rollback"],
    ["stele split example.data --dig\t1", 'split example.data --digits 1', 'split example.data --digits=1'],
    ["stele get exam\tx", 'get example.data x'],
    ["stele-server exam\t--watc\t", 'example.data --watch'],
    ["stele-server --protected-mode y\t--reload-verify-t\t9", '--protected-mode yes --reload-verify-timeout 9',
        '--protected-mode yes --reload-verify-timeout=9'],
    ["stele-server --loglevel=verb\t--index=no\texam\t", '--loglevel=verbose --index=none example.data'],
    ["stele --vers\t", '--version'],
    ["stele-server --index n\t--index=exam\t", '--index none --index=example.data'],
    ["stele-server --loglevel verb\t--index no\t", '--loglevel verbose --index none']);
mkdir "$dir/table"; # with one file, so that its name can be completed
open my $table, '>', "$dir/table/example.data" or die $!;
close $table;
my $completions = "$root/usr/share/bash-completion/completions";
completes('bash --norc --noprofile -i', ". $completions/stele; . $completions/stele-server", @cases);
completes('zsh -f -i', "fpath=($root/usr/share/zsh/site-functions \$fpath); autoload -Uz compinit; compinit -D -u",
    map { [$_->[0], $_->[2] // $_->[1]] } @cases[0 .. $#cases - 1]); # zsh puts an equals sign before a value

# ---- nothing is left ----------------------------------------------------------------------------

open my $own, '>', "$root/usr/share/doc/stele/own" or die $!;
close $own;
is(system("$make uninstall"), 0, 'make uninstall');
is_deeply([files($root)], ['usr/share/doc/stele/own'], 'only a file that was not installed is left');
unlink "$root/usr/share/doc/stele/own";
is(system("$make uninstall"), 0, 'make uninstall where nothing is installed');
ok(!-e "$root/usr/share/doc/stele", 'the folder of the documentation is gone');

# A configuration that the user has changed.
my $changed = "$root/etc/logrotate.d/stele";
open my $configuration, '>', $changed or die $!;
print $configuration "# mine\n";
close $configuration;
is(system("$make install"), 0, 'make install once more');
is(read_file($changed), "# mine\n", 'a changed configuration stays');
is(system("$make uninstall"), 0, 'make uninstall');
is_deeply([files($root)], ['etc/logrotate.d/stele'], 'and is all that is left in the end');

# ---- unusual folders ----------------------------------------------------------------------------

my $odd = "$dir/it's \"a\" b";
is(system('make', '-s', 'install', 'PREFIX=/usr', "DESTDIR=$odd"), 0, 'make install to a folder with spaces and quotes');
is_deeply([files($odd)], \@installed, 'installs the same files');
is(system('make', '-s', 'uninstall', 'PREFIX=/usr', "DESTDIR=$odd"), 0, 'make uninstall');
is_deeply([files($odd)], [], 'removes them');
# The unit and libstele.pc could not name these.
for my $name ("$dir/two words", "$dir/it's", "$dir/a,b", "$dir/a&b", "$dir/50%", 'relative') {
    my $pid = open my $said, '-|';
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec 'make', '-s', 'install', "PREFIX=$name" or die $!;
    }
    my $message = join '', <$said>;
    close $said;
    like($message, qr/^cannot install: '.*' must be an absolute path/m, "make install to $name is refused");
    ok(!-e $name, 'and installs nothing');
}

# ---- flags of the user --------------------------------------------------------------------------

for my $case (['-O2', 1], ['-O0', 0], ['-O2 -Wp,-D_FORTIFY_SOURCE=3', 1], ['-O2 -D_FORTIFY_SOURCE=3', 1]) {
    my ($flags, $count) = @$case;
    my $used = `make -s --eval='show: ; \@echo \$(release_FLAGS)' show CFLAGS='$flags' CPPFLAGS=`;
    is(scalar(() = $used =~ /-D_FORTIFY_SOURCE=/g), $count, "CFLAGS=$flags: definitions of _FORTIFY_SOURCE");
}

# ---- releases -----------------------------------------------------------------------------------

my $release = "stele-$version";
is(system("make -s dist >/dev/null 2>&1"), 0, 'make dist');
my $archive = read_file("build/$release.tar.gz");
is(system("tar -xzf build/$release.tar.gz -C $dir"), 0, 'the archive can be unpacked');
ok(-e "$dir/$release/$_", "it has $_") for qw(Makefile README.md LICENSE src/main.c docs/man/stele.1 .ci/need);
ok(!-e "$dir/$release/$_", "it has no $_") for '.git', 'build';
# Times and permissions of the files must not matter.
is(system("find $dir/$release -type f -exec touch {} + -exec chmod g+w {} +"), 0, 'other times and modes');
is(system("make -s -C $dir/$release dist >/dev/null"), 0, 'make dist in the unpacked sources');
my $again = read_file("$dir/$release/build/$release.tar.gz");
ok($again eq $archive, 'it has the same bytes again');
# Distributions build with -flto. No other name of libstele.a must be visible then.
is(system("make -s -j2 -C $dir/$release CFLAGS='-O0 -flto' build/libstele.a >/dev/null 2>&1"), 0, 'libstele.a with -flto');
my @visible = map { / [A-TV-Z] (\w+)/ ? $1 : () } `nm -g --defined-only $dir/$release/build/libstele.a`;
ok(@visible >= 8, 'has names');
is_deeply([grep { !/^stele_/ } @visible], [], 'has no names but stele_*');
# git refuses to read a clone that belongs to another user.
mkdir "$dir/$release/.git";
isnt(system("make -s -C $dir/$release dist >/dev/null 2>&1"), 0, 'make dist fails if git does');
done_testing();
