package subscribers

import "testing"

func TestACodeIsSentToNoNumberThatEarnsByIt(t *testing.T) {
	for phone, want := range map[string]bool{
		"+4740000000": true, "+12025550123": true, "+819012345678": true, "+966501234567": true, "+447624123456": true,
		"+390612345678":  true, // a fixed line can take texts in many countries
		"+19005550123":   false,
		"+448456460000":  false,
		"+4782900000":    false,
		"+33890123456":   false,
		"+18002530000":   false,
		"+979123456789":  false, // of no country
		"+882161234567":  false,
		"+881612345678":  false,
		"+870773111632":  false,
		"no number":      false,
		"+8835100001234": false,
	} {
		if got := Textable(phone); got != want {
			t.Errorf("%s: %t", phone, got)
		}
	}
}

func TestANumberMayBeWrittenByAnyKeyboard(t *testing.T) {
	for _, s := range []string{"+47 400 00 000", "＋４７４０００００００", "+٤٧٤٠٠٠٠٠٠٠", " +47-400-00-000 "} {
		if got, err := ParsePhone(s); err != nil || got != "+4740000000" {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}
