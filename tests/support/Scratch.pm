# What scripts share: a temporary folder that is removed at the end, files in it, and running commands.
package Scratch;
use strict;
use warnings;
use Exporter 'import';
use File::Temp;
use Test::More;

our @EXPORT_OK = qw($dir write_file read_file files run run_apart uuid start_random);
our $dir = File::Temp->newdir('stele-test-XXXXXX', TMPDIR => 1);

# A test that calls make keeps the flags of the make that runs it, so that nothing is built anew, but not its job
# server.
$ENV{MAKEFLAGS} =~ s/ ?-j\d*\b| ?--jobserver\S*//g if defined $ENV{MAKEFLAGS};

# Writes a file of this name in the folder. Returns its path.
sub write_file {
    my ($name, $text) = @_;
    open my $file, '>:raw', "$dir/$name" or die $!;
    print $file $text;
    close $file or die $!;
    return "$dir/$name";
}

sub read_file {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar(<$file>) // '';
}

# The names of all files in a folder, also of hidden ones. None if there is no such folder.
sub files {
    my ($folder) = @_;
    opendir my $handle, $folder or return;
    my @names = sort grep { !/\A\.\.?\z/ } readdir $handle;
    return @names;
}

# Returns what a command prints to both streams, and its exit status.
sub run {
    my ($command) = @_;
    my $out = qx{( $command ) 2>&1 </dev/null};
    return ($out, $? >> 8);
}

# Returns what a command prints to standard output, its exit status, and what it prints to standard error.
sub run_apart {
    my ($command) = @_;
    my $out = qx{$command 2>$dir/stderr </dev/null};
    return ($out, $? >> 8, read_file("$dir/stderr"));
}

# A random UUID.
sub uuid { return sprintf '%04x%04x-%04x-%04x-%04x-%04x%04x%04x', map { int rand 65536 } 1 .. 8 }

# Seeds the random numbers, with STELE_SEED if that is set, and prints the seed.
sub start_random {
    my $seed = $ENV{STELE_SEED} // time;
    srand $seed;
    diag("seed $seed");
    return $seed;
}

1;
