# The program of Redis.pm and of Redis::Fast, which has the same methods, see `run`.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64 'encode_base64';

my $module = shift;
eval "require $module; 1" or die $@;
my $json = JSON::PP->new->allow_nonref;
my $client;

# Returns values in base64.
sub encoded { return [map { defined ? encode_base64($_, '') : undef } @_] }

# Sends GETs with callbacks, which is how these libraries make pipelines. Returns the values.
sub pipelined {
    my @values;
    for my $i (0 .. $#_) {
        $client->get($_[$i], sub {
            my ($reply, $error) = @_;
            die $error if defined $error;
            $values[$i] = $reply;
        });
    }
    $client->wait_all_responses;
    return @values;
}

my %methods = (
    connect => sub {
        my ($asked) = @_;
        my %options = (reconnect => 1, every => 5000, read_timeout => 15, encoding => undef);
        my ($user, $password, $path) = @$asked{qw(user password path)};
        if (defined $user) {
            # These libraries have no option for a user, so each new connection must send AUTH.
            $options{on_connect} = sub { $_[0]->auth($user, $password) };
        } elsif (defined $password) {
            $options{password} = $password;
        }
        my %place = defined $path ? (sock => $path) : (server => "127.0.0.1:$asked->{port}");
        $client = $module->new(%options, %place);
        return defined $client->get('x') ? JSON::PP::false : JSON::PP::true;
    },
    get => sub { return encoded(map { scalar $client->get($_) } @{$_[0]{keys}}) },
    mget => sub { return encoded($client->mget(@{$_[0]{keys}})) },
    pipeline => sub { return encoded(pipelined(@{$_[0]{keys}})) },
    transaction => sub {
        $client->multi;
        $client->get($_, sub { }) for @{$_[0]{keys}};
        return encoded($client->exec);
    },
    mixed => sub {
        my ($before, $after) = @{$_[0]{keys}};
        my @replies;
        my $take = sub { my ($i) = @_; return sub { $replies[$i] = [@_] } };
        $client->get($before, $take->(0));
        $client->set('a', 'b', $take->(1));
        $client->get($after, $take->(2));
        $client->wait_all_responses;
        my ($first, $last) = @{encoded($replies[0][0], $replies[2][0])};
        return [$first, {error => $replies[1][1]}, $last];
    },
    call => sub {
        my ($name, @words) = @{$_[0]{words}};
        $name = lc $name;
        my $reply = $client->$name(@words);
        return $reply =~ /^-?\d+$/ ? $reply + 0 : $reply;
    },
    scan => sub {
        my ($asked) = @_;
        my ($cursor, @found) = (0);
        do {
            ($cursor, my $some) =
                $client->scan($cursor, MATCH => $asked->{match}, COUNT => $asked->{count});
            push @found, @$some;
        } while ($cursor);
        return \@found;
    },
    subscribe => sub {
        my ($asked) = @_;
        my $got;
        my $take = sub { my ($message, $channel) = @_; $got = [$channel, $message] };
        my ($subscribe, $unsubscribe) = defined $asked->{channel} ? qw(subscribe unsubscribe)
                                                                  : qw(psubscribe punsubscribe);
        my $name = $asked->{channel} // $asked->{pattern};
        $client->$subscribe($name, $take);
        $client->wait_for_messages(0.1) until $got;
        $client->$unsubscribe($name, $take);
        return $got;
    },
);

$| = 1;
while (my $line = <STDIN>) {
    my $asked = $json->decode($line);
    my $said = eval { $methods{$asked->{do}}->($asked) };
    $said = {error => "$@"} if $@;
    print $json->encode($said), "\n";
}
