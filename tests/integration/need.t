#!/usr/bin/env perl
# .ci/need must not install a package with a service: apt-get would enable the service and start it, on
# the port that `make run` uses. The test runs .ci/need with a fake apt-get and dpkg-deb, which record
# what they are asked to do, as on a system on which nothing is installed.
use strict;
use warnings;
use File::Temp 'tempdir';
use FindBin;
use Test::More;

my $root = "$FindBin::RealBin/../..";
plan skip_all => 'the same in each flavour' if ($ENV{STELE_BUILD} // '') =~ /asan/;
my $dir = tempdir('stele-need-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $log = "$dir/log";
my $control = 'docs/packaging/debian/control';
system("mkdir -p $dir/.ci $dir/bin $dir/docs/packaging/debian && cp $root/.ci/need $root/.ci/unpack $dir/.ci/ && " .
    "cp $root/$control $dir/$control") == 0 or die;
for my $name (qw(sh dirname mkdir chmod cat touch id env sudo sed grep)) {
    my ($path) = grep { -x } map { "$_/$name" } '/usr/bin', '/bin';
    symlink $path, "$dir/bin/$name" if $path;
}

sub program {
    my ($name, $text) = @_;
    open my $file, '>', "$dir/bin/$name" or die $!;
    print $file "#!/bin/sh\n$text";
    close $file;
    chmod 0755, "$dir/bin/$name" or die $!;
}
program('apt-get', <<"END");
echo "\$*" >> $log
for word; do
    case \$word in Dir::Cache::archives=*) touch "\${word#*=}package.deb" ;; esac
done
END
program('dpkg-deb', <<"END");
mkdir -p "\$3/usr/bin"
for name in redis-server memcached; do
    printf '#!/bin/sh\\necho %s "\$@"\\n' \$name > "\$3/usr/bin/\$name"
    chmod +x "\$3/usr/bin/\$name"
done
END

sub need {
    my ($what) = @_;
    unlink $log;
    my $said = `PATH=$dir/bin CC=false $dir/bin/sh $dir/.ci/need $what 2>&1`;
    is($?, 0, "need $what") or diag($said);
    open my $file, '<', $log or return ([], []);
    my @asked = <$file>;
    my ($unpacked, $installed) = map { [map { grep { !/^-/ } split ' ' } @$_] }
        [grep { /--download-only/ } @asked], [grep { !/--download-only/ } @asked];
    return ($unpacked, $installed);
}

my (undef, $build) = need('build');
ok((grep { $_ eq 'libc6-dev' } @$build), 'the headers of the C library are installed');
for my $case (['test', 'redis-server'], ['bench', 'memcached'], ['redis-compat', 'redis-server']) {
    my ($what, $service) = @$case;
    system("rm -rf $dir/build");
    my ($unpacked, $installed) = need($what);
    ok((grep { $_ eq $service } @$unpacked), "$service is unpacked");
    is((grep { /^(?:redis-server|memcached|haproxy|webdis|nutcracker|prometheus-redis-exporter)$/ } @$installed)[0],
        undef, 'no package with a service is installed');
    is(`$dir/build/services/bin/$service --port 0`, "$service --port 0\n", "$service runs from the folder into which it was unpacked");
    ($unpacked) = need($what);
    is_deeply($unpacked, [], 'a second run unpacks nothing');
}
# On a fresh system, dpkg-buildpackage must find all packages that it asks for.
my (undef, $deb) = need('deb');
my ($depends) = do { local (@ARGV, $/) = "$root/$control"; <> } =~ /^Build-Depends:\n((?: .*\n)+)/m;
my @wanted = map { /^ ([a-z0-9-]+)/ ? $1 =~ s/-compat$//r : () } split /\n/, $depends;
cmp_ok(scalar @wanted, '>', 2, "packages in $control");
for my $name ('build-essential', 'lintian', @wanted) {
    ok((grep { $_ eq $name } @$deb), "make deb installs $name");
}
# `make check` is for people whose machine must stay as it is.
unlink $log;
my $said = `PATH=$dir/bin CC=false STELE_INSTALL=no $dir/bin/sh $dir/.ci/need check 2>&1`;
is($? >> 8, 1, 'with STELE_INSTALL=no, missing packages are an error');
like($said, qr/^Please install these packages .*: .*\blibhiredis-dev\b/, 'the message names them');
ok(!-e $log, 'and apt-get is not called');
done_testing();
