package digest

import (
	"archive/zip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"allclear/subscribers"
)

// zoneNames are all that Go brings.
func zoneNames(t *testing.T) (names []string) {
	t.Helper()
	r, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip")) //nolint:staticcheck // a test runs where it was built
	if err != nil && os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
		t.Fatal("no list of zones: ", err)
	}
	if err != nil {
		t.Skip("no list of zones: ", err)
	}
	defer func() { _ = r.Close() }()
	for _, f := range r.File {
		if !strings.HasSuffix(f.Name, "/") && f.Name != "Factory" {
			names = append(names, f.Name)
		}
	}
	return names
}

// Wherever a clock moves, at every hour near it: each date has one digest.
func TestEveryDateOfEveryZoneHasExactlyOneDigest(t *testing.T) {
	c, from, until := calendar(t), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
	changes := map[string]bool{} // many zones have the same ones
	for _, name := range zoneNames(t) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := from.In(zone); ; {
			_, at = at.ZoneBounds()
			if at.IsZero() || !at.Before(until) {
				break
			}
			key := at.Add(-time.Second).Format(time.RFC3339) + at.Format(time.RFC3339)
			if changes[key] {
				continue
			}
			changes[key] = true
			for h := range 3 {
				near := (at.Add(-time.Second).Hour() + h) % 24
				run := subscribers.Run{At: at.AddDate(0, 0, -3)}
				for i := range 6 {
					before := run
					if run, err = c.Next(subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, near), Timezone: name}, run.At); err != nil {
						t.Fatal(err)
					}
					day, err := time.Parse(time.DateOnly, run.Day)
					if err != nil {
						t.Fatal(err)
					}
					if i > 0 && day.AddDate(0, 0, -1).Format(time.DateOnly) != before.Day || !run.At.After(before.At) {
						t.Errorf("%s at %d: %s at %s follows %s at %s", name, near, run.Day, run.At.In(zone), before.Day, before.At.In(zone))
					}
				}
			}
		}
	}
	if len(changes) < 50 {
		t.Errorf("%d changes of clocks", len(changes))
	}
}
