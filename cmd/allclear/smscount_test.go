package main

import (
	"strings"
	"testing"
)

func TestSMSCountShowsWhatEachLineCosts(t *testing.T) {
	in := strings.Join([]string{"“imap7” is down…", "почта\r", strings.Repeat("€", 81), ""}, "\n")
	want := `{"encoding":"gsm7","segments":1,"units":18,"text":"\"imap7\" is down..."}
{"encoding":"ucs2","segments":1,"units":5,"text":"почта"}
{"encoding":"gsm7","segments":2,"units":162,"text":"` + strings.Repeat("€", 81) + `"}
`
	var out strings.Builder
	if err := (&smsCountCmd{}).Run(&app{world: &world{in: strings.NewReader(in), out: &out}}); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}
