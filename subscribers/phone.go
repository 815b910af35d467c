package subscribers

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"allclear/notifier"
)

// ParsePhone checks a number and returns it in the form of E.164, with its plus
// and country code. A number without them is refused: nobody could tell whose
// it is. The error is an *notifier.Invalid for address.
func ParsePhone(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", notifier.Invalidf("address", "must not be empty")
	}
	if wide, ok := strings.CutPrefix(s, "＋"); ok { // of a Japanese keyboard, as digits may be
		s = "+" + wide
	}
	if !strings.HasPrefix(s, "+") || len(s) > 40 {
		return "", notifier.Invalidf("address", "must begin with + and the country's code, such as +47 400 00 000")
	}
	n, err := phonenumbers.Parse(s, "")
	if err != nil || !phonenumbers.IsValidNumber(n) || n.GetExtension() != "" {
		return "", notifier.Invalidf("address", "is no telephone number; write it with + and the country's code, such as +47 400 00 000")
	}
	return phonenumbers.Format(n, phonenumbers.E164), nil
}

// ParsePhoneIn is ParsePhone for a number that may be written as in its own
// country, an ISO 3166 code: 400 00 000 with NO. One that begins with + says
// itself where it belongs. The error is an *notifier.Invalid for address, or
// for country where there is none of that code.
func ParsePhoneIn(s, country string) (string, error) {
	s, country = strings.TrimSpace(s), strings.ToUpper(strings.TrimSpace(country))
	if country == "" || s == "" || strings.HasPrefix(s, "+") {
		return ParsePhone(s)
	}
	if phonenumbers.GetCountryCodeForRegion(country) == 0 {
		return "", notifier.Invalidf("country", "%q is no country's code, such as NO", notifier.Clip(country))
	}
	n, err := phonenumbers.Parse(s, country)
	if len(s) > 40 || err != nil || !phonenumbers.IsValidNumber(n) || n.GetExtension() != "" {
		return "", notifier.Invalidf("address", "is no telephone number of %s", country)
	}
	return phonenumbers.Format(n, phonenumbers.E164), nil
}

// Textable reports whether a number, as ParsePhone returns it, may be sent a
// code because a form says so. Who lives of toll fraud signs up what pays for
// being written to: numbers that cost more than a telephone's, and those that
// belong to no country (satellites, +882 and +883).
func Textable(phone string) bool {
	n, err := phonenumbers.Parse(phone, "")
	if err != nil {
		return false
	}
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.TOLL_FREE, phonenumbers.UAN, phonenumbers.VOICEMAIL, phonenumbers.PAGER:
		return false
	}
	return len(Country(phone)) == 2 && Country(phone)[0] >= 'A'
}

// Confirmable says why nobody can be asked to confirm at an address, as a
// *notifier.Invalid; nil where they can: whoever is added as pending is sent something.
func (s *Subscriber) Confirmable() error {
	if s.Channel == notifier.SMS && !Textable(s.Address) {
		return notifier.Invalidf("address", "is a number of a kind that no code is sent to (premium, service, satellite and the like); add it as active if its owner has agreed")
	}
	return nil
}

// Country is the ISO 3166 code of a number as ParsePhone returns it; "" where
// it belongs to none.
func Country(phone string) string {
	n, err := phonenumbers.Parse(phone, "")
	if err != nil {
		return ""
	}
	return phonenumbers.GetRegionCodeForNumber(n)
}

// KnownCountry reports whether a word is the ISO 3166 code of a country that has numbers.
func KnownCountry(code string) bool { return phonenumbers.GetCountryCodeForRegion(code) != 0 }

// PhonePrefix is what numbers of one range have in common: the country's code
// and three digits.
func PhonePrefix(phone string) string {
	n, err := phonenumbers.Parse(phone, "")
	if err != nil {
		return phone[:min(len(phone), 6)]
	}
	code := "+" + strconv.Itoa(int(n.GetCountryCode()))
	return phone[:min(len(phone), len(code)+3)]
}
