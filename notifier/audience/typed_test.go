package audience

import (
	"testing"
	"time"
)

func TestATimeWithATAndWithoutAnOffsetIsATime(t *testing.T) {
	zone := time.FixedZone("x", 3600)
	got, ok := anything.typed("2026-11-20T09:12", zone).(time.Time)
	if want := time.Date(2026, 11, 20, 9, 12, 0, 0, zone); !ok || !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
