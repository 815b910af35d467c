package subscribers

import (
	"regexp"
	"testing"
	"time"
)

func TestACodeIsSixDigitsOfOneNumberAndOneMoment(t *testing.T) {
	six := regexp.MustCompile(`^[0-9]{6}$`)
	seen := map[string]bool{}
	for n := Number(1); n <= 100; n++ {
		for s := range 10 {
			asked := linkNow.Add(time.Duration(s) * time.Microsecond)
			code := links.Code(n, asked)
			if !six.MatchString(code) || code != links.Code(n, asked.In(time.FixedZone("", 3600))) {
				t.Fatalf("%q", code)
			}
			seen[code] = true
		}
	}
	if len(seen) < 990 {
		t.Errorf("of 1,000 codes %d are different", len(seen))
	}
	if other := NewLinks([]byte("another secret of thirty-two bytes!")); other.Code(1, linkNow) == links.Code(1, linkNow) {
		t.Error("another service has the same code")
	}
}

func TestNumbersOfOneRangeShareAPrefix(t *testing.T) {
	for phone, want := range map[string]string{"+4740612345": "+47406", "+12025550123": "+1202", "+358401234567": "+358401", "+1": "+1"} {
		if got := PhonePrefix(phone); got != want {
			t.Errorf("%s: %s", phone, got)
		}
	}
}
