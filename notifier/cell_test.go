package notifier_test

import (
	"strings"
	"testing"

	"allclear/notifier"
)

func TestACellThatASpreadsheetWouldRunHasAnApostropheBeforeIt(t *testing.T) {
	for _, cell := range []string{"=1+1", "+47", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000＝1", "＋1", "－1", "＠x", "\ufeff=1", "'=1", "'' =1"} {
		if got := notifier.SafeCell(cell); got != "'"+cell {
			t.Errorf("%q became %q", cell, got)
		}
	}
	for _, cell := range []string{"", "a", "a=1", "ann@example.com", "1-2", "'", "'quoted'", "  ", "2026-11-20"} {
		if got := notifier.SafeCell(cell); got != cell {
			t.Errorf("%q became %q", cell, got)
		}
	}
}

func FuzzWhatWasMadeSafeCanBeGivenBack(f *testing.F) {
	for _, cell := range []string{"=1", "'=1", "' =1", "'", "''+", "\u3000＝"} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		safe := notifier.SafeCell(cell)
		if safe != cell && (!notifier.Formula(safe) || strings.TrimPrefix(safe, "'") != cell) {
			t.Errorf("%q became %q", cell, safe)
		}
	})
}
