package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEachRoleMayDoWhatThoseBeforeItMay(t *testing.T) {
	for n, r := range Roles {
		for m, least := range Roles {
			if r.Can(least) != (n >= m) {
				t.Errorf("%s can %s: %v", r, least, r.Can(least))
			}
		}
		if back, err := ParseRole(string(r)); err != nil || back != r {
			t.Errorf("%s reads back as %s, %v", r, back, err)
		}
	}
}

func TestARoleThatDoesNotExistOpensNothing(t *testing.T) {
	for _, r := range Roles {
		if r.Can("") || r.Can("root") || Role("").Can(r) || Role("root").Can(r) {
			t.Errorf("%s", r)
		}
	}
	if Role("").Can("") || Role("root").Can("root") {
		t.Error("an unknown role can do something")
	}
	_, err := ParseRole("Admin")
	invalid(t, err, "role")
}

func TestTheActorTravelsInTheContext(t *testing.T) {
	if a := ActorFrom(context.Background()); a.Name != "system" || a.Role.Can(RoleViewer) {
		t.Errorf("%+v", a)
	}
	want := Actor{Name: "local:root", Role: RoleAdmin}
	if got := ActorFrom(WithActor(context.Background(), want)); got != want {
		t.Errorf("%+v", got)
	}
}

func TestErrorsAnswerWhatIsAsked(t *testing.T) {
	refused := fmt.Errorf("add component: %w", Refuse(ErrConflict, "%s is there already", "imap"))
	var r *Refusal
	if !errors.Is(refused, ErrConflict) || errors.Is(refused, ErrNotFound) || !errors.As(refused, &r) || r.Message != "imap is there already" {
		t.Error(refused)
	}
	if got := Invalidf("title", "is %d too long", 3).Error(); got != "title: is 3 too long" {
		t.Error(got)
	}
	if got := Invalidf("", "nonsense").Error(); got != "nonsense" {
		t.Error(got)
	}
}

func TestASendErrorSaysWhereWhoseAndWhy(t *testing.T) {
	cause := errors.New("connection refused")
	e := &SendError{Fault: FaultRelay, Stage: "dial", Receipt: Receipt{Relay: "mx1"}, Err: cause}
	for _, part := range []string{"temporary", "dial", "relay", "mx1", "connection refused"} {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("%q is not in %q", part, e)
		}
	}
	if !e.Temporary() || !errors.Is(e, cause) {
		t.Error("it hides its cause")
	}
	e = &SendError{Permanent: true, Stage: "rcpt", Receipt: Receipt{Reply: "550 no"}, Err: cause}
	if e.Temporary() || !strings.Contains(e.Error(), "550 no") || !strings.Contains(e.Error(), "permanent") {
		t.Error(e)
	}
	for f, want := range map[Fault]string{FaultRecipient: "recipient", FaultDomain: "domain", FaultRelay: "relay", FaultOurs: "ours"} {
		if f.String() != want {
			t.Errorf("%d is %s", f, f)
		}
	}
}

func TestAComponentIsCheckedAndCompleted(t *testing.T) {
	c := Component{Key: "imap7"}
	if err := c.Validate(); err != nil || c.Name != "imap7" || c.State != Operational {
		t.Errorf("%+v %v", c, err)
	}
	for field, cases := range map[string][]Component{
		"key":   {{}, {Key: "A"}, {Key: "-a"}, {Key: ".a"}, {Key: "a b"}, {Key: "a;b"}, {Key: "a\n"}, {Key: strings.Repeat("a", 65)}, {Key: "é"}},
		"name":  {{Key: "a", Name: strings.Repeat("é", 121)}, {Key: "a", Name: "x\ny"}, {Key: "a", Name: "\xff"}},
		"group": {{Key: "a", Group: strings.Repeat("é", 121)}, {Key: "a", Group: "\x1b[31m"}},
		"state": {{Key: "a", State: "down"}},
	} {
		for _, c := range cases {
			invalid(t, c.Validate(), field)
		}
	}
	for _, key := range []string{"a", "7", "a.b-c_d", strings.Repeat("a", 64)} {
		c := Component{Key: key, Name: strings.Repeat("é", 120)}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestSeveritiesReadBackAndKeepTheirOrder(t *testing.T) {
	for s := SeverityNone; s <= SeverityCritical; s++ {
		text, err := json.Marshal(map[string]Severity{"s": s})
		var back map[string]Severity
		if err != nil || json.Unmarshal(text, &back) != nil || back["s"] != s {
			t.Errorf("%s: %s", s, text)
		}
	}
	if s, err := ParseSeverity(""); err != nil || s != SeverityNone {
		t.Error(s, err)
	}
	for _, bad := range []string{"Major", "worst", "3", " minor"} {
		_, err := ParseSeverity(bad)
		invalid(t, err, "severity")
	}
	if Severity(9).String() != "none" || Severity(-1).String() != "none" {
		t.Error("a severity that does not exist has a name of its own")
	}
}

func TestEveryKindKnowsItsStatuses(t *testing.T) {
	if len(Statuses(KindPost)) != 0 || len(Statuses("outage")) != 0 {
		t.Error("a post has a status")
	}
	for _, k := range []Kind{KindIncident, KindMaintenance} {
		all := Statuses(k)
		for n, s := range all {
			if s.Final() != (n == len(all)-1) {
				t.Errorf("%s %s: final is %v", k, s, s.Final())
			}
		}
	}
}

func TestAPauseHoldsBackWhatItNames(t *testing.T) {
	p := Pulse{Pauses: []Pause{{Scope: PauseLane, Key: "bulk"}, {Scope: PauseDomain, Key: "slow.example"}}}
	for _, c := range []struct {
		scope PauseScope
		key   string
		want  bool
	}{{PauseLane, "bulk", true}, {PauseLane, "incident", false}, {PauseDomain, "slow.example", true}, {PauseDomain, "bulk", false}, {PauseChannel, "email", false}} {
		if got := p.Paused(c.scope, c.key); got != c.want {
			t.Errorf("%s %s: %v", c.scope, c.key, got)
		}
	}
	if all := (Pulse{Pauses: []Pause{{Scope: PauseAll}}}); !all.Paused(PauseLane, "incident") || !all.Paused(PauseDomain, "x") {
		t.Error("a pause of all lets something through")
	}
	if (Pulse{}).Paused(PauseLane, "incident") {
		t.Error("nothing is paused and yet it holds")
	}
}
