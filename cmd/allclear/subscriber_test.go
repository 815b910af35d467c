package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file writes a file for a command to read.
func (d *desktop) file(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func TestWhoLeftIsNotBroughtBackUnasked(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("subscriber", "add", "kari@example.com", "--active")
		d.ok("subscriber", "import", "--overwrite", d.file("left.csv", "address,state\nkari@example.com,unsubscribed\n"))
		d.refused("; add --again if it has asked to come back, or leave --active out and it is asked to confirm", "subscriber", "add", "kari@EXAMPLE.com", "--active")
		if got := d.ok("subscriber", "add", "kari@example.com"); !strings.Contains(got, "asked to confirm") {
			t.Error(got)
		}
		d.ok("subscriber", "import", "--overwrite", d.file("left.csv", "address,state\nkari@example.com,unsubscribed\n"))
		if got := d.ok("subscriber", "add", "kari@example.com", "--active", "--again"); got != "added s1 kari@example.com, active\n" {
			t.Error(got)
		}
		if data := d.ok("subscriber", "data", "kari@example.com"); !strings.Contains(data, "Added by local:kari, who said that this address agreed.") {
			t.Errorf("nothing tells who said so: %s", data)
		}
	})
}

func TestAnErasedAddressIsListedAsErasedAndNotAsAnAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("subscriber", "add", "kari@example.com", "--active")
		d.ok("subscriber", "erase", "kari@example.com", "--yes")
		if got := shape(d.ok("suppression", "list")); got != "SINCE              REASON  ADDRESS  NOTE\n2026-11-23 16:11Z  erased  erased   -\n" {
			t.Errorf("%q", got)
		}
	})
}
