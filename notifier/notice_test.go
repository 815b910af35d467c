package notifier_test

import (
	"errors"
	"testing"

	"allclear/notifier"
)

func TestFourEyesAreTwoPeopleWhateverDoorsTheyComeBy(t *testing.T) {
	n := notifier.Notice{CreatedBy: "local:ann", ChangedBy: []string{"token:Imports"}, OrderedBy: "staff:bob", Approved: []notifier.Approval{{By: "staff:cat"}}}
	for by, may := range map[string]bool{
		"staff:ann": false, "token:ann": false, "staff:Ann": false, "local:ann": false, "staff:imports": false, "token:bob": false, "token:cat": false,
		"staff:dan": true, "token:dan": true, "staff:annika": true,
	} {
		if err := n.MayApprove(by); (err == nil) != may || err != nil && !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%s: %v", by, err)
		}
	}
	if err := (&notifier.Notice{CreatedBy: "staff:ann"}).MayApprove("staff:bob"); err != nil {
		t.Errorf("what nobody ordered yet: %v", err)
	}
}

func TestACanaryIsAShareAndNeverNobody(t *testing.T) {
	for _, c := range []struct {
		share      float64
		recipients int64
		want       int64
	}{{0, 999, 0}, {0, 1000, 10}, {0, 1001, 11}, {-1, 100_000, 0}, {0.0000001, 5000, 1}, {50, 3, 2}, {100, 7, 7}, {1, 1, 1}} {
		if got := (notifier.NoticeOrder{Canary: c.share}).CanarySize(c.recipients); got != c.want {
			t.Errorf("%g %% of %d is %d, want %d", c.share, c.recipients, got, c.want)
		}
	}
}
