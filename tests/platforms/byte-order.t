#!/usr/bin/env perl
# An index file of this system is used by a platform with the same byte order. A platform with the other
# byte order says so and builds a new one, and the other way round. Both find the same values.
use strict;
use warnings;
use Config;
use File::Copy;
use File::Temp;
use Test::More;

my $here = 'build/release/stele';
# STELE_BYTE_ORDER is that of the platform: little or big.
my $there = ($ENV{STELE_BUILD} // die "STELE_BUILD: the folder of the platform's programs\n") . '/stele';
my $dir = File::Temp->newdir('stele-order-XXXXXX', TMPDIR => 1);
my $data = "$dir/table.data";
copy('example.data', $data) or die $!;
utime time - 3600, time - 3600, $data; # otherwise `stele index` waits until the times are a proof

sub order { # of the index file: its bytes 8 to 11 are 0x01020304
    open my $file, '<:raw', "$data.idx" or die $!;
    read $file, my $head, 12;
    return unpack('V', substr $head, 8) == 0x01020304 ? 'little' : 'big';
}

sub index_file {
    my ($stele) = @_;
    my $said = `$stele index $data 2>&1`;
    is($?, 0, "$stele index") or diag($said);
    return $said;
}

index_file($here);
my $ours = order();
is($ours, $Config{byteorder} =~ /^1234/ ? 'little' : 'big', 'the byte order of this system');
my $said = index_file($there);
my $theirs = order();
is($theirs, $ENV{STELE_BYTE_ORDER}, 'the byte order of the platform');
($theirs eq $ours ? \&unlike : \&like)->($said, qr/has another byte order: building/, 'the platform and our file');
my $scan = `$there scan $data 2>/dev/null`;
$said = index_file($here);
is(order(), $ours, 'the file is ours again');
($theirs eq $ours ? \&unlike : \&like)->($said, qr/has another byte order: building/, 'this system and its file');
is($scan, `$here scan $data 2>/dev/null`, 'both list the same keys and values');
ok(length $scan > 1000, 'there are some');
done_testing();
