#!/usr/bin/env perl
# Runs tests/circles on made-up sources. It must find a circle of modules by includes and a circle by
# calls, and show the include or symbol that causes each dependency.
use strict;
use warnings;
use File::Temp 'tempdir';
use FindBin;
use Test::More;

plan skip_all => 'the same in each flavour' if ($ENV{STELE_BUILD} // '') =~ /asan/;
my $circles = "$FindBin::RealBin/../circles";
my $cc = $ENV{CC} // 'cc';
chdir tempdir(CLEANUP => 1) or die $!;
mkdir $_ or die $! for 'src', 'src/low', 'src/high', 'build', 'build/src', 'build/src/low', 'build/src/high';

sub spew {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "cannot write $path: $!";
    print $file $text;
    close $file or die $!;
}

# Writes the sources of a module and compiles it, if it has code.
sub module {
    my ($name, $header, $code) = @_;
    spew("src/$name.h", $header);
    return unless defined $code;
    spew("src/$name.c", $code);
    system("$cc -Isrc -c src/$name.c -o build/src/$name.o") == 0 or BAIL_OUT("cannot compile $name");
}

# Compares the exit status and the output of the check.
sub check {
    my ($name, $status, $wanted) = @_;
    my $said = `$circles build/src/*/*.o 2>&1`;
    is($? >> 8, $status, "$name: exit status");
    is($said, $wanted, "$name: output");
}

module('low/a', "int a(void);\n", qq(#include "low/a.h"\nint a(void) { return 1; }\n));
module('low/b', qq(#include "low/a.h"\nint b(void);\n),
    qq(#include "low/b.h"\nint b(void) { return a(); }\n));
module('high/only', qq(#include "low/b.h"\n));
module('high/main', '', qq(#include "high/only.h"\n#include <stdio.h>\nint main(void) { return b(); }\n));
check('no circle', 0, '');

# Two headers include each other, one of them through a third header, which has no source.
my $header = qq(#ifndef A\n#define A\n#include "high/only.h"\nint a(void);\n#endif\n);
module('low/a', $header, qq(#include "low/a.h"\nint a(void) { return 1; }\n));
check('a circle by includes', 1, <<'END');
a circle by includes:
  high/only -> low/b: src/high/only.h:1 includes low/b.h
  low/b -> low/a: src/low/b.h:1 includes low/a.h
  low/a -> high/only: src/low/a.h:3 includes high/only.h
END

# Two modules use symbols of each other without an include. Variables count like functions.
module('low/a', "int a(void);\nextern int number;\n",
    qq(#include "low/a.h"\nint b(void), number = 1;\nint a(void) { return number ? number : b(); }\n));
module('low/b', qq(#include "low/a.h"\nint b(void);\n),
    qq(#include "low/b.h"\nint b(void) { return a() + number; }\n));
check('a circle by calls', 1, <<'END');
a circle by calls:
  low/a -> low/b: b
  low/b -> low/a: a, number
END

# A module may have several sources and an internal header, which no other module may include.
module('low/a_internal', qq(#include "low/a.h"\nint a_part(void);\n));
module('low/a', "int a(void);\nint b(void);\n", qq(#include "low/a_internal.h"\nint a(void) { return a_part(); }\n));
unlink 'src/low/b.h', 'src/low/b.c', 'build/src/low/b.o';
spew('src/high/only.h', '');
system('touch src/low/a_part.h') == 0 or die;
module('low/a_part', '', qq(#include "low/a_internal.h"\nint a_part(void) { return a(); }\n));
check('a source with a header of its own', 1, <<'END');
src/low/a_part.c:1 includes low/a_internal.h, which belongs to another module
a circle by calls:
  low/a -> low/a_part: a_part
  low/a_part -> low/a: a
END
unlink 'src/low/a_part.h';
check('a module of two sources', 0, '');
spew('src/high/only.h', qq(#include "low/a_internal.h"\n));
check('another module that includes its internal header', 1,
    "src/high/only.h:1 includes low/a_internal.h, which belongs to another module\n");
spew('src/high/only.h', '');
unlink 'src/low/a_internal.h', 'src/low/a_part.c', 'build/src/low/a_part.o';

# Calls of main() make no circle, because main is defined in every program.
module('low/a', "int a(void);\n", qq(#include "low/a.h"\nint a(void) { return 1; }\n));
module('high/other', '', "int main(void);\nint call(void);\nint call(void) { return main(); }\n");
module('low/b', "", qq(int a(void);\nint b(void);\nint main(void) { return a(); }\nint b(void) { return 0; }\n));
check('main', 0, '');
done_testing();
