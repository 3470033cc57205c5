#!/usr/bin/perl
# Fault F44 (docs/faults.md): SIGKILL ends `stele publish`, `rollback` or `unpin` at each of its
# system calls, or the call fails. The old or the new version is current, and is whole. The next
# publication succeeds and removes what is left. strace(1) injects signals and errors.
use strict;
use warnings;
use File::Temp;
use Test::More;

my $build = $ENV{STELE_BUILD} || 'build/release';
my $stele = "$build/stele";
my $dir = File::Temp->newdir('stele-killed-XXXXXX', TMPDIR => 1);
# The leak check needs ptrace, which strace uses already.
$ENV{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'detect_leaks=0';

plan skip_all => 'strace cannot trace here'
    if system('strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true') != 0;

# With this option, the kernel stops the program only at the traced calls, and not at all calls.
my @only_those =
    system('strace --seccomp-bpf -f -qq -o /dev/null -e trace=fsync true 2>/dev/null') == 0
        ? '--seccomp-bpf' : ();

my @CALLS = qw(openat mkdir pwrite64 write fchmod utimensat fsync fdatasync flock ftruncate link linkat
    rename renameat renameat2 symlink unlink unlinkat rmdir getdents64);
my $traced = join ',', map { "?$_" } @CALLS;

sub spit {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or die "$path: $!";
    print $file $text;
    close $file or die "$path: $!";
}

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return readline($file) // '';
}

sub files {
    my ($folder) = @_;
    opendir my $handle, $folder or return '';
    return join ' ', sort grep { !/\A\.\.?\z/ } readdir $handle;
}

sub table { join '', map { sprintf "%08x-0000-4000-8000-%012x %s%d\n", $_ * 77, $_, $_[0], $_ } 1 .. 300 }

my %text = (v1 => table('a'), v2 => table('b'), v3 => table('c'), v4 => table('d'));
spit("$dir/$_", $text{$_}) for keys %text;
my $store = "$dir/store";

# The stores before each verb, which are copied for each run.
sub prepare {
    my ($name, @commands) = @_;
    system("$stele publish $dir/$name $dir/$_ --version $_ >/dev/null 2>&1") == 0 or die for qw(v1 v2);
    system("$stele $_ >/dev/null 2>&1") == 0 or die for @commands;
}
prepare('before');
prepare('pinned', "rollback $dir/pinned");

sub make_store {
    my ($from) = @_;
    system 'rm', '-rf', $store;
    system('cp', '-a', "$dir/$from", $store) == 0 or die;
}

# Returns what is wrong with the store, or ''.
sub fault {
    my $current = readlink "$store/current" or return 'no current version';
    my ($version) = $current =~ m{\Aversions/(v\d)\z} or return "current is $current";
    return "the data of $version is wrong" if slurp("$store/current/table.data") ne $text{$version};
    my $manifest = slurp("$store/current/manifest");
    return "the manifest of $version is incomplete" if $manifest !~ /\nend\n\z/;
    my $listed = `$stele versions $store 2>&1`;
    return "versions says: $listed" if $? != 0;
    return '';
}

# The verbs, the stores before them, and the versions that may be current after them.
my @verbs = (
    ['publish', 'before', "publish $store $dir/v3 --version v3 --keep 2", 'v2|v3'],
    ['rollback', 'before', "rollback $store", 'v1|v2'],
    ['unpin', 'pinned', "unpin $store", 'v1|v2'],
);

for my $verb (@verbs) {
    my ($name, $from, $command, $allowed) = @$verb;
    make_store($from);
    system("strace -f -qq -o $dir/trace -e trace=$traced $stele $command >/dev/null 2>&1") == 0
        or die "$name cannot be traced";
    my %count;
    /^\d+ +(\w+)\(/ and $count{$1}++ for split /\n/, slurp("$dir/trace");
    my (@wrong, $runs);
    for my $call (sort keys %count) {
        for my $when (1 .. $count{$call}) {
            for my $what ('signal=KILL', $call eq 'write' || $call eq 'fsync' ? 'error=ENOSPC' : 'error=EACCES') {
                make_store($from);
                my $said = `strace @only_those -f -qq -o /dev/null -e trace=$call -e inject=$call:$what:when=$when $stele $command 2>&1`;
                my $status = $?;
                $runs++;
                my $fault = fault();
                my $version = substr readlink("$store/current") // '', 9;
                $fault ||= "$version is current" if $version !~ /\A(?:$allowed)\z/;
                # An error must be told, unless the call may fail.
                $fault ||= "status $status without a message: $said"
                    if $what =~ /error/ && $status != 0 && $said !~ /\S/;
                my $next = `$stele publish $store $dir/v4 --version v4 2>&1`;
                $fault ||= "the next publication: $next" if $? != 0;
                $fault ||= 'left: ' . files("$store/versions") if files("$store/versions") =~ /\.(new|old)/;
                $fault ||= 'left: ' . files($store)
                    if files($store) !~ /\Acurrent lock (pin )?versions\z/;
                push @wrong, "$call $when $what: $fault" if $fault;
            }
        }
    }
    is(scalar @wrong, 0, "$name: $runs runs, each with a system call at which it is killed or which fails");
    diag($_) for @wrong[0 .. ($#wrong < 9 ? $#wrong : 9)];
    cmp_ok($runs, '>', 30, "$name: there were many");
}

# ---- folders that cannot be written to ----------------------------------------------------------

make_store('before');
my $full = `bash -c 'ulimit -f 8; $stele publish $store $dir/v3 --version v3' 2>&1`;
isnt($?, 0, 'a full disk is an error');
like($full, qr/\Astele: cannot write '[^']+': File too large\n\z/, 'one line says why');
is(fault(), '', 'the old version is whole');
SKIP: {
    skip 'not root', 3 if $> != 0;
    my $other = `setpriv --reuid=65534 --regid=65534 --clear-groups $stele publish $store $dir/v3 2>&1`;
    isnt($?, 0, 'the store of another user is an error');
    like($other, qr/\Astele: cannot .*: Permission denied\n\z/, 'one line says why');
    is(fault(), '', 'the old version is whole');
}
done_testing();
