#!/usr/bin/env perl
# Tests libstele as a user has it: installed by `make install`, found by its pkg-config file, and linked
# with the example docs/embed.c, as a shared library and as an archive. No symbol of either may collide
# with other libraries.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../support";
use Scratch '$dir';
use Test::More;

my $root = $dir;
is(system("make -s install DESTDIR=$root PREFIX=/usr >/dev/null"), 0, 'make install');
ok(-x "$root/usr/bin/$_", "$_ is installed") for 'stele', 'stele-server';

open my $pc, '<', "$root/usr/lib/pkgconfig/libstele.pc" or die "no libstele.pc: $!\n";
my %pc = map { /^(\w+):? ?[:=] ?(.*)/ ? ($1 => $2) : () } <$pc>;
$pc{Version} //= '';
like(`build/release/stele --version`, qr/\Q$pc{Version}\E/, "the version of libstele.pc: $pc{Version}");
my $flags = "$pc{Cflags} $pc{Libs}";
$flags =~ s/\$\{(\w+)\}/$pc{$1}/g while $flags =~ /\$\{/;
$flags =~ s{-([IL])/}{-$1$root/}g;

# Each program is linked with the shared library, and then with the archive.
for my $archive (0, 1) {
    my $example = "$root/embed";
    my $these = $archive ? $flags =~ s/-lstele/-l:libstele.a/r : $flags;
    is(system("\${CC:-cc} -Wall -Werror docs/embed.c -o $example $these"), 0, "the example compiles with $these");
    my ($needed) = `readelf -d $example` =~ /NEEDED.*\[(libstele[^\]]*)\]/;
    is($needed // 'none', $archive ? 'none' : 'libstele.so.' . ($pc{Version} =~ s/\..*//r), 'the library that it needs');
    local $ENV{LD_LIBRARY_PATH} = $archive ? '' : "$root/usr/lib";
    is(`$example example.data F8A24BB8-EFF8-41DC-929B-10B4C3E49E05 | head -n 2`,
        "1234\nf8a24bb8-eff8-41dc-929b-10b4c3e49e05 has 4 bytes\n", 'the example prints the value, then the next keys in order');
    is(`$example example.data 00000000-0000-0000-0000-000000000001 | head -n 1 | cut -c 37-`,
        " has 15 bytes\n", 'a key that does not exist');
    is(`$example example.data ffffffff-ffff-ffff-ffff-fffffffffffe | wc -l`, "1\n", 'the last key');
    is(`$example example.data nonsense`, '', 'a word that is no UUID');
    like(`$example /no/such/file x 2>&1`, qr/\Acannot open '\/no\/such\/file': /, 'a file that does not exist');
}

# Returns the names of the functions that stele.h declares.
sub declared {
    open my $header, '<', "$root/usr/include/stele.h" or die "no stele.h: $!\n";
    local $/;
    return sort { $a cmp $b } readline($header) =~ /^[a-z].*\b(stele_\w+)\(/mg;
}
my @shared = map { / [A-TV-Z] (\w+)(?:@@\w+)?$/ ? $1 : () }
    `nm -D --defined-only $root/usr/lib/libstele.so`;
my ($number) = $pc{Version} =~ /^(\d+)/;
my ($soname) = `readelf -d $root/usr/lib/libstele.so` =~ /SONAME.*\[(.*)\]/;
is($soname, "libstele.so.$number", 'the name of the shared library');
is_deeply([sort grep { $_ ne "LIBSTELE_$number" } @shared], [declared()],
    'the shared library exports the functions of stele.h, and no other name');
my @global = map { / [A-TV-Z] (\w+)$/ ? $1 : () } `nm -g --defined-only $root/usr/lib/libstele.a`;
ok(@global >= 8, 'symbols are exported');
is_deeply([grep { !/^stele_/ } @global], [], 'all exported symbols begin with stele_');
done_testing();
