package notifier

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAnEventsStateFollowsFromItsAccount(t *testing.T) {
	expanded := Event{ExpandedAt: time.Unix(1, 0)}
	for _, c := range []struct {
		about string
		p     Progress
		want  EventState
	}{
		{"still being expanded", Progress{Total: 5, Tried: 5, Counts: map[DeliveryState]int64{Sent: 5}}, Expanding},
		{"nobody wants it", Progress{Event: expanded}, Done},
		{"none tried", Progress{Event: expanded, Total: 3, Counts: map[DeliveryState]int64{Pending: 3}}, Delivering},
		{"some tried", Progress{Event: expanded, Total: 3, Tried: 2, Counts: map[DeliveryState]int64{Sent: 2, Sending: 1}}, Delivering},
		{"all tried, one waits for a retry", Progress{Event: expanded, Total: 3, Tried: 3, Counts: map[DeliveryState]int64{Sent: 2, Pending: 1}}, Settling},
		{"all tried, one is held", Progress{Event: expanded, Total: 3, Tried: 3, Counts: map[DeliveryState]int64{Sent: 2, Held: 1}}, Settling},
		{"all final", Progress{Event: expanded, Total: 3, Tried: 3, Counts: map[DeliveryState]int64{Sent: 1, Failed: 1, Bounced: 1}}, Done},
		{"all final, some without a try", Progress{Event: expanded, Total: 3, Tried: 1, Counts: map[DeliveryState]int64{Sent: 1, Superseded: 1, Suppressed: 1}}, Done},
	} {
		if got := c.p.State(); got != c.want {
			t.Errorf("%s: %s, want %s", c.about, got, c.want)
		}
	}
}

// story builds updates from events by number; 0 is one that notified nobody.
func story(number int64, events ...int64) *Story {
	s := &Story{Event: Event{Number: number}}
	for n, e := range events {
		u := Update{ID: fmt.Sprintf("u%d", n), Event: e}
		if e == number {
			s.Event.UpdateID = u.ID
		}
		s.Incident.Updates = append(s.Incident.Updates, u)
	}
	return s
}

func missed(s *Story, since int64) string {
	var ids []string
	for _, u := range s.Missed(since) {
		ids = append(ids, u.ID)
	}
	return strings.Join(ids, " ")
}

func TestAReaderIsToldWhatTheyMissed(t *testing.T) {
	for _, c := range []struct {
		about string
		s     *Story
		since int64
		want  string
	}{
		{"the first", story(1, 1), 1, "u0"},
		{"the latest only", story(3, 1, 2, 3), 3, "u2"},
		{"the last two", story(3, 1, 2, 3), 2, "u1 u2"},
		{"everything", story(3, 1, 2, 3), 1, "u0 u1 u2"},
		{"quiet ones at the start come with the first told", story(4, 0, 0, 4), 4, "u0 u1 u2"},
		{"a quiet one in the middle comes with the next", story(7, 3, 0, 7), 7, "u1 u2"},
		{"quiet ones before what was told already do not come again", story(7, 0, 3, 7), 7, "u2"},
		{"quiet ones around every event", story(9, 0, 3, 0, 5, 0, 9, 0), 5, "u2 u3 u4 u5"},
		{"a quiet one at the end waits for the next event", story(3, 1, 3, 0, 0), 3, "u1"},
		{"and the next event brings it", story(8, 1, 3, 0, 0, 8), 8, "u2 u3 u4"},
		{"later events are not of this story", story(3, 1, 3, 0, 8), 3, "u1"},
		{"an earlier event seen late", story(1, 1, 0, 3), 1, "u0"},
		{"events of other incidents lie between the numbers", story(90, 10, 50, 90), 11, "u1 u2"},
	} {
		if got := missed(c.s, c.since); got != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

func TestAPublishedDraftTellsAllThatWasWrittenBefore(t *testing.T) {
	s := story(5, 0, 0, 0)
	s.Event.UpdateID = "u1" // the last when it was published; u2 was added quietly
	if got := missed(s, 5); got != "u0 u1" {
		t.Error(got)
	}
}

func TestAnEventWithoutAnUpdateOfItsOwnEndsWhereTheNextBegins(t *testing.T) {
	s := story(3, 1, 3, 0, 8)
	s.Event.UpdateID = ""
	if got := missed(s, 2); got != "u1 u2" {
		t.Error(got)
	}
	s.Event.Number = 9
	if got := missed(s, 2); got != "u1 u2 u3" {
		t.Error(got)
	}
}

func TestWhatWasCorrectedIsReadAnewAtItsOwnPlace(t *testing.T) {
	correct := func(s *Story, number int64, update string) *Story {
		s.Previous = append(s.Previous, Event{Number: number, Type: IncidentCorrected, UpdateID: update})
		if number == s.Event.Number {
			s.Event.Type, s.Event.UpdateID, s.Previous = IncidentCorrected, update, nil
		}
		return s
	}
	for _, c := range []struct {
		about string
		s     *Story
		since int64
		want  string
	}{
		{"all that was told stays told, but for the one", correct(story(4, 1, 2, 3), 4, "u1"), 4, "u1"},
		{"the newest", correct(story(4, 1, 2, 3), 4, "u2"), 4, "u2"},
		{"what was not sent yet comes too", correct(story(4, 1, 2, 3), 4, "u0"), 3, "u0 u2"},
		{"and so does what nobody was told of", correct(story(4, 1, 2, 0), 4, "u0"), 4, "u0 u2"},
		{"a correction that was not sent comes with the next", correct(story(5, 1, 2, 3, 5), 4, "u1"), 4, "u1 u3"},
		{"and one that was does not", correct(story(5, 1, 2, 3, 5), 4, "u1"), 5, "u3"},
		{"what was said behind it is not of this story", correct(story(4, 1, 2, 3, 5), 4, "u1"), 4, "u1"},
	} {
		if got := missed(c.s, c.since); got != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

// Told one event after the other, or some of them at once: every update up to
// the last told event is read exactly once, in order, whoever skips what.
func TestWhateverWasSupersededNothingIsReadTwiceOrNever(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []int64
		var numbers []int64
		next := int64(0)
		for range rapid.IntRange(1, 12).Draw(t, "updates") {
			e := int64(0)
			if rapid.Bool().Draw(t, "told") {
				next += rapid.Int64Range(1, 5).Draw(t, "step")
				e = next
				numbers = append(numbers, e)
			}
			events = append(events, e)
		}
		var read []string
		since := int64(0)
		for n, number := range numbers {
			if since == 0 {
				since = number
			}
			if n < len(numbers)-1 && rapid.Bool().Draw(t, "superseded") {
				continue // not sent: the next one tells of it too
			}
			for _, u := range story(number, events...).Missed(since) {
				read = append(read, u.ID)
			}
			since = 0
		}
		var want []string
		for n, e := range events {
			if len(numbers) == 0 || e > numbers[len(numbers)-1] {
				break
			}
			want = append(want, fmt.Sprintf("u%d", n))
			if e == numbers[len(numbers)-1] {
				break
			}
		}
		if len(numbers) == 0 {
			want = nil
		}
		if !slices.Equal(read, want) {
			t.Fatalf("events %v: read %v, want %v", events, read, want)
		}
	})
}

func TestLanesHaveNamesAndAnOrder(t *testing.T) {
	for n, l := range Lanes {
		if n > 0 && Lanes[n-1] >= l {
			t.Errorf("%s is not behind %s", l, Lanes[n-1])
		}
		back, err := ParseLane(l.String())
		if text, _ := l.MarshalText(); err != nil || back != l || string(text) != l.String() {
			t.Errorf("%s reads back as %s, %v", l, back, err)
		}
		if l.Express() != (l == LaneConfirm || l == LaneIncident) {
			t.Errorf("%s: express is %v", l, l.Express())
		}
	}
	var invalid *Invalid
	if _, err := ParseLane("fast"); !errors.As(err, &invalid) || invalid.Field != "lane" {
		t.Error(err)
	}
	if Lane(9).String() != "lane(9)" {
		t.Error(Lane(9).String())
	}
}

func TestOnlyEndsAreClosing(t *testing.T) {
	closing := []EventType{IncidentResolved, MaintenanceCompleted, IncidentRetracted}
	for _, e := range []EventType{
		IncidentCreated, IncidentUpdated, IncidentResolved, IncidentCorrected, IncidentRetracted, MaintenanceScheduled,
		MaintenanceStarted, MaintenanceExtended, MaintenanceCompleted, PostPublished, SubscriberConfirm,
	} {
		if e.Closing() != slices.Contains(closing, e) {
			t.Errorf("%s: %v", e, e.Closing())
		}
	}
}
