package templates

import (
	"slices"
	"testing"
	"time"
)

func TestEveryZoneToChooseExists(t *testing.T) {
	all := zones()
	if len(all) < 400 || !slices.IsSorted(all) {
		t.Errorf("%d zones, sorted: %v", len(all), slices.IsSorted(all))
	}
	for _, name := range all {
		if _, err := time.LoadLocation(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
