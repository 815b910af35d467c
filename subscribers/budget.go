package subscribers

import (
	"net/netip"
	"strings"
	"time"

	"allclear/notifier"
)

// Budget is how many of something there may be: Burst at once, and one more
// every Every. It is kept as one instant, the one from which on it is whole
// again (the generic cell rate algorithm of ATM's traffic control).
type Budget struct {
	Every time.Duration
	Burst int
}

// Take takes one out of a budget that is whole at the time whole, and tells
// when it is whole after that. Where nothing is left, ok is false and the time
// is when there will be something.
func (b Budget) Take(whole, now time.Time) (at time.Time, ok bool) {
	if whole.Before(now) {
		whole = now
	}
	whole = whole.Add(b.Every)
	if from := whole.Add(-time.Duration(b.Burst) * b.Every); from.After(now) {
		return from, false
	}
	return whole, true
}

// Scope is what a budget of confirmations is for.
type Scope string

// The scopes. Those that end in -solved are kept for who did the work.
const (
	PerAddress   Scope = "address"
	PerNetwork   Scope = "network"
	PerDomain    Scope = "domain"
	ForAll       Scope = "all"
	DomainSolved Scope = "domain-solved"
	AllSolved    Scope = "all-solved"

	PerContact Scope = "contact" // of endpoints
	PerNumber  Scope = "number"
	PerPrefix  Scope = "prefix" // of numbers: whoever is paid for calls to his own has many in a row
	AllSMS     Scope = "all-sms"
)

// Limits are the budgets of the confirmations that a form may cause.
type Limits map[Scope]Budget

// SignUpLimits are those of the service: what an attack gets out of it is at
// most 1,200 mails an hour, one a day to each victim, and three a day where it is
// named as the contact of endpoints; and 120 SMS an hour, 30 to numbers that
// begin alike, three a day to each.
func SignUpLimits() Limits {
	return Limits{
		PerAddress:   {Every: 24 * time.Hour, Burst: 1},
		PerNetwork:   {Every: 6 * time.Minute, Burst: 10},
		PerDomain:    {Every: 12 * time.Second, Burst: 60},
		ForAll:       {Every: 6 * time.Second, Burst: 60},
		DomainSolved: {Every: 12 * time.Second, Burst: 60},
		AllSolved:    {Every: 6 * time.Second, Burst: 60},
		PerContact:   {Every: 8 * time.Hour, Burst: 3},
		PerNumber:    {Every: 8 * time.Hour, Burst: 3},
		PerPrefix:    {Every: 2 * time.Minute, Burst: 10},
		AllSMS:       {Every: 30 * time.Second, Burst: 30},
	}
}

// Purse is one budget of one key: of this address, of that network.
type Purse struct {
	Scope Scope
	Key   string
}

// Purses are what a confirmation is paid from: from one of each list, the first
// that holds something.
func (x *SignUp) Purses() [][]Purse {
	switch x.Channel {
	case notifier.Webhook: // whose confirmation is mail to the contact
		return append([][]Purse{{{PerContact, CanonicalAddress(x.Contact)}}}, purses("", x.Contact, x.Network, x.Solved)...)
	case notifier.SMS:
		out := [][]Purse{{{PerNumber, x.Address}}}
		if x.Network.IsValid() {
			out = append(out, []Purse{{PerNetwork, x.Network.String()}})
		}
		return append(out, []Purse{{PerPrefix, PhonePrefix(x.Address)}}, []Purse{{AllSMS, ""}})
	}
	return append([][]Purse{{{PerAddress, CanonicalAddress(x.Address)}}}, purses("", x.Address, x.Network, x.Solved)...)
}

// Purses are what the mail with a link is paid from: budgets as large as a
// sign-up's, and others, so that a flood of one empties none of the other. That
// an address gets one a day is seen to where the mail is written.
func (x *Lost) Purses() [][]Purse { return purses("link ", x.Address, x.Network, x.Solved) }

func purses(kind, address string, network netip.Prefix, solved bool) (out [][]Purse) {
	domain, all := kind+Domain(address), strings.TrimSpace(kind)
	if network.IsValid() {
		out = append(out, []Purse{{PerNetwork, kind + network.String()}})
	}
	if solved {
		return append(out, []Purse{{PerDomain, domain}, {DomainSolved, domain}}, []Purse{{ForAll, all}, {AllSolved, all}})
	}
	return append(out, []Purse{{PerDomain, domain}}, []Purse{{ForAll, all}})
}

// CanonicalAddress is what the spellings of one mailbox have in common, for
// budgets only: no upper case, nothing behind a +, and no dots where the
// provider ignores them.
func CanonicalAddress(address string) string {
	local, domain, _ := strings.Cut(lower(address), "@")
	if name, _, tagged := strings.Cut(local, "+"); tagged && name != "" {
		local = name
	}
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	if domain == "gmail.com" {
		local = strings.ReplaceAll(local, ".", "")
	}
	return local + "@" + domain
}
