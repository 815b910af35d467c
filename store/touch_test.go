package store_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/subscribers"
)

// lives makes a list the members of a component.
func (b *box) lives(component string, addresses ...string) {
	b.t.Helper()
	u, err := b.BeginMembers(b.ctx, component)
	b.must(err)
	b.must(b.AddMembers(b.ctx, u, addresses))
	_, err = b.FinishMembers(b.ctx, u)
	b.must(err)
}

// drawMembers gives components lists of some of those whom drawSubscriber draws,
// and returns the rule about them.
func (b *box) drawMembers(t *rapid.T) func(address string) func(component string) bool {
	lists := map[string]map[string]bool{}
	for n, c := range componentKeys {
		if rapid.IntRange(0, 2).Draw(t, "without a list") == 0 {
			continue
		}
		lists[c] = map[string]bool{}
		var rows []string
		for i, in := range rapid.SliceOfN(rapid.Bool(), 17, 17).Draw(t, "lives on "+c) {
			if !in && i > 0 { // a list is not empty
				continue
			}
			for _, domain := range []string{"example.com", "own.example"} {
				address, folded := fmt.Sprintf("reader%d@%s", i, domain), ""
				lists[c][address] = true
				if i%3 == 0 {
					address, folded = strings.ToUpper(address[:1])+address[1:], address
				}
				rows = append(rows, fmt.Sprintf(`(%d, %d, 'email', '%s', '%s')`, n+1, len(rows)+1, address, folded))
			}
		}
		b.exec(`INSERT INTO audiences (number, component_key, state, replaces, recipients, touched_at) VALUES (%d, '%s', 'current', true, %d, 1)`, n+1, c, len(rows))
		b.exec(`INSERT INTO recipients (audience, place, channel, address, folded) VALUES %s`, strings.Join(rows, ", "))
	}
	return func(address string) func(component string) bool {
		return func(component string) bool {
			list := lists[component]
			return list == nil || list[strings.ToLower(address)]
		}
	}
}

// heard lists who has a delivery of an event.
func (b *box) heard(event int64) string {
	b.t.Helper()
	rows, err := b.db.Query(fmt.Sprintf(`SELECT address FROM deliveries WHERE event_number = %d ORDER BY id`, event))
	b.must(err)
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var address string
		b.must(rows.Scan(&address))
		name, _, _ := strings.Cut(address, "@")
		out = append(out, name)
	}
	b.must(rows.Err())
	return strings.Join(out, " ")
}

func mine(s *subscribers.Subscriber) { s.Cadence, s.Filter.Mine = subscribers.Instant, true }

func TestWhoWantsOnlyWhatTouchesThemHearsOfTheirOwnMailStoreOnly(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		all := func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant }
		chose := func(of ...string) func(*subscribers.Subscriber) {
			return func(s *subscribers.Subscriber) { mine(s); s.Filter.Components = of }
		}
		b.joins("all@example.com", all)
		b.joins("Ann@example.com", mine)
		bob := b.joins("bob@example.com", mine)
		b.joins("cyn@example.com", chose(componentKeys[0]))
		b.joins("dan@example.com", chose(componentKeys[1]))
		b.lives(componentKeys[0], "ANN@example.com", "dan@example.com", "someone@example.com")
		b.lives(componentKeys[1], "bob@example.com", "dan@example.com")
		told := func(incident, want string, components ...string) int64 {
			t.Helper()
			e := b.happens(incident, notifier.Event{Type: notifier.IncidentCreated, Components: components})
			b.expand(2)
			if got := b.heard(e); got != want {
				t.Errorf("of %v heard %q, want %q", components, got, want)
			}
			return e
		}
		told("one", "all Ann", componentKeys[0])
		two := told("two", "all bob dan", componentKeys[1])
		told("both", "all Ann bob dan", componentKeys[0], componentKeys[1])
		told("none", "all Ann bob", componentKeys[2])
		told("every", "all Ann bob cyn dan")
		told("one and none", "all Ann bob", componentKeys[0], componentKeys[2])
		b.exec(`UPDATE deliveries SET state = 'sent', sent_at = 1, tried_at = 1 WHERE event_number = %d`, two)

		// The members of the moment count; who heard of it hears how it ends.
		b.lives(componentKeys[1], "Ann@example.com")
		for _, e := range []struct {
			notifier.EventType
			want string
		}{{notifier.IncidentUpdated, "all Ann"}, {notifier.IncidentResolved, "all Ann bob dan"}} {
			number := b.happens("two", notifier.Event{Type: e.EventType, Components: componentKeys[1:2]})
			b.expand(2)
			if got := b.heard(number); got != e.want {
				t.Errorf("%s was heard by %q, want %q", e.EventType, got, e.want)
			}
		}
		b.turns(bob, func(s *subscribers.Subscriber) { s.Filter.Mine = false })
		told("changed", "all Ann bob", componentKeys[0])
	})
}

func TestDigestsAndSecondAddressesTellOnlyWhatTouchesTheirReader(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		daily := func(s *subscribers.Subscriber) { s.Filter.Mine = true }
		ann, bob := b.joins("Ann@example.com", daily), b.joins("bob@example.com", daily)
		critical := b.joins("critical@example.com", func(s *subscribers.Subscriber) { s.Filter.Mine, s.Critical = true, true })
		first, second := b.pair("eve") // whose first is on own.example, and whose second is on no list
		b.turns(subscribers.Number(first), func(s *subscribers.Subscriber) { s.Filter.Mine = true })
		b.lives(componentKeys[0], "ann@example.com", "eve@own.example")
		b.lives(componentKeys[1], "bob@example.com")
		b.down()
		one := b.happens("one", notifier.Event{Type: notifier.IncidentCreated, Components: componentKeys[:1], Kind: notifier.KindIncident, Severity: notifier.SeverityCritical})
		two := b.happens("two", notifier.Event{Type: notifier.IncidentCreated, Components: componentKeys[1:2], Kind: notifier.KindIncident, Severity: notifier.SeverityCritical})
		every := b.happens("every", notifier.Event{Type: notifier.IncidentCreated})
		b.expand(10)
		b.states(second, map[int64]notifier.DeliveryState{one: notifier.Pending, every: notifier.Pending})
		if got := b.heard(one) + ", " + b.heard(two); got != "eve, " {
			t.Errorf("at once heard %q", got)
		}
		b.pass(day)
		b.digests()
		b.wantDigests(ann, fmt.Sprintf("%d,%d", one, every))
		b.wantDigests(bob, fmt.Sprintf("%d,%d", two, every))
		b.wantDigests(critical, fmt.Sprint(every))
		b.lives(componentKeys[0], "bob@example.com") // Ann heard of it, and hears of its end
		end := b.happens("one", notifier.Event{Type: notifier.IncidentResolved, Components: componentKeys[:1]})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, fmt.Sprintf("%d,%d|%d", one, every, end))
		b.wantDigests(bob, fmt.Sprintf("%d,%d|%d", two, every, end))
		b.wantDigests(critical, fmt.Sprint(every))
	})
}

// However long a list of members is, or what the planner believes of it, each
// reader is looked up by address.
func TestNoListOfMembersIsReadForTheFanOut(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		addresses := make([]string, 2000) // more than a page, which is read whole at once
		for i := range addresses {
			addresses[i] = fmt.Sprintf("reader%d@example.com", i)
		}
		expand := func(moment string) {
			t.Helper()
			b.lives(componentKeys[0], addresses...)
			e := b.happens(moment, notifier.Event{Type: notifier.IncidentCreated, Components: componentKeys[:1]})
			plans := b.Explained(t, func() { b.expand(100) })
			for _, p := range plans {
				for _, whole := range []string{"Seq Scan on recipients", "recipients_pkey", "SCAN r", "SEARCH r USING PRIMARY KEY"} {
					if strings.Contains(p, "recipients") && strings.Contains(p, whole) {
						t.Errorf("the members are walked, known %s:\n%s", moment, p)
					}
				}
			}
			if all := strings.Join(plans, "\n"); !strings.Contains(all, "recipients_address") || !strings.Contains(all, "recipients_folded") {
				t.Errorf("the members are not looked up by address, known %s:\n%s", moment, all)
			}
			if got := b.heard(e); got != "reader0 reader1999" {
				t.Errorf("%s of it heard %q", moment, got)
			}
		}
		b.joins(addresses[0], mine)
		b.joins(addresses[1999], mine)
		b.joins("nobody@example.com", mine)
		b.exec(`ANALYZE`)
		expand("while there were none")
		b.lives(componentKeys[0], addresses[:10]...)
		b.exec(`ANALYZE`)
		expand("while there were few")
		b.exec(`ANALYZE`)
		expand("while there were as many")
	})
}
