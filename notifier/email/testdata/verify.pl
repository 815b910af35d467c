# Verifies every DKIM signature of a mail against a zone given as JSON.
use strict; use warnings;
use JSON::PP; use Mail::DKIM::Verifier; use Mail::DKIM::DNS;
sub slurp { open my $f, '<:raw', $_[0] or die "$_[0]: $!"; local $/; return scalar <$f> }
my ($mail, $zone) = (slurp($ARGV[0]), decode_json(slurp($ARGV[1])));
package Answer { sub type { 'TXT' } sub char_str_list { $_[0]{text} } sub txtdata { $_[0]{text} } }
no warnings 'redefine';
*Mail::DKIM::DNS::query = sub {
    my ($name) = @_;
    return exists $zone->{$name} ? (bless { text => $zone->{$name} }, 'Answer') : ();
};
*Mail::DKIM::DNS::query_async = sub {
    my ($name, $type, %p) = @_;
    my @found = Mail::DKIM::DNS::query($name);
    return sub { $p{Callbacks}{Success} ? $p{Callbacks}{Success}->(@found) : @found };
};
my $v = Mail::DKIM::Verifier->new;
$v->PRINT($mail);
$v->CLOSE;
my %out;
$out{ $_->algorithm } = $_->result eq 'pass' ? JSON::PP::true : JSON::PP::false for $v->signatures;
print encode_json(\%out);
