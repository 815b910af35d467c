package notifier

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestADeliveryIDNamesItsEventAndReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		event := rapid.Int64Range(1, 1<<31-1).Draw(t, "event")
		reader := rapid.Int64Range(1, 1<<32-1).Draw(t, "reader")
		id := MakeDeliveryID(event, reader)
		if id <= 0 || id.Event() != event || id.Reader() != reader {
			t.Fatalf("%d-%d became %d, %d-%d", event, reader, id, id.Event(), id.Reader())
		}
		back, err := ParseDeliveryID(id.String())
		if err != nil || back != id {
			t.Fatalf("%s read as %s, %v", id, back, err)
		}
		if next := MakeDeliveryID(event+1, 1); event < 1<<31-1 && next <= id {
			t.Fatal("ids of a later event do not sort behind")
		}
	})
}

func TestOneDeliveryHasOneSpelling(t *testing.T) {
	for _, s := range []string{
		"", "-", "1", "1-", "-1", "0-1", "1-0", "1--1", "-1-1", "+1-1", "1-+1", "01-1", "1-01", " 1-1", "1-1 ", "1-1-1",
		"2147483648-1", "1-4294967296", "99999999999999999999-1", "a-b", "1_0-1", "１-1",
	} {
		if id, err := ParseDeliveryID(s); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %d, %v", s, id, err)
		}
	}
	if id, err := ParseDeliveryID("2147483647-4294967295"); err != nil || id != 1<<63-1 {
		t.Errorf("the last one: %d, %v", id, err)
	}
}

func FuzzParseDeliveryID(f *testing.F) {
	f.Add("12-34")
	f.Add("+1-01")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseDeliveryID(s); err == nil && id.String() != s {
			t.Fatalf("%q read as %s", s, id)
		}
	})
}

func TestOnlyWaitingStatesAreNotFinal(t *testing.T) {
	waiting := []DeliveryState{Pending, Sending, Held}
	for _, s := range DeliveryStates {
		if s.Final() == slices.Contains(waiting, s) {
			t.Errorf("%s: final is %v", s, s.Final())
		}
	}
	if len(DeliveryStates) != 10 {
		t.Errorf("%d states", len(DeliveryStates))
	}
}
