package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// memory keeps everything in maps.
type memory struct {
	mu         sync.Mutex
	components map[string]notifier.Component
	incidents  []notifier.Incident
	events     []notifier.Event
	people     []subscribers.Subscriber
	barred     []subscribers.Suppression
	pauses     []notifier.Pause
	tokens     map[[32]byte]notifier.Token
	answers    map[string]kept
	audit      []string
	broken     error // what every call answers, if set
}

type kept struct {
	body   [32]byte
	answer notifier.Answer
}

func newMemory() *memory {
	return &memory{components: map[string]notifier.Component{}, tokens: map[[32]byte]notifier.Token{}, answers: map[string]kept{}}
}

type inside struct{}

// in locks, unless ctx is inside a transaction already.
func (m *memory) in(ctx context.Context) func() {
	if ctx.Value(inside{}) != nil {
		return func() {}
	}
	m.mu.Lock()
	return m.mu.Unlock
}

func (m *memory) Components(ctx context.Context) ([]notifier.Component, error) {
	defer m.in(ctx)()
	return slices.SortedFunc(maps.Values(m.components), func(a, b notifier.Component) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	}), m.broken
}

func (m *memory) AddComponent(ctx context.Context, c notifier.Component) error {
	defer m.in(ctx)()
	if _, there := m.components[c.Key]; there {
		return notifier.Refuse(notifier.ErrConflict, "there is a component %s already", c.Key)
	}
	m.components[c.Key] = c
	return nil
}

func (m *memory) ChangeComponent(ctx context.Context, key string, change func(*notifier.Component) error) (notifier.Component, error) {
	defer m.in(ctx)()
	c, there := m.components[key]
	if !there {
		return c, notifier.ErrNotFound
	}
	if err := change(&c); err != nil {
		return c, err
	}
	m.components[key] = c
	return c, nil
}

func (m *memory) RemoveComponent(ctx context.Context, key string) error {
	defer m.in(ctx)()
	if _, there := m.components[key]; !there {
		return notifier.ErrNotFound
	}
	for _, i := range m.incidents {
		if slices.Contains(i.Components, key) {
			return notifier.Refuse(notifier.ErrConflict, "incidents name %s", key)
		}
	}
	delete(m.components, key)
	return nil
}

func (m *memory) write(p notifier.Posting) (notifier.Posting, error) {
	if err := m.known(p.Incident.Components); err != nil {
		return p, err
	}
	if p.Event != nil {
		p.Event.Number = int64(len(m.events) + 1)
		m.events = append(m.events, *p.Event)
	}
	if p.Update != nil {
		if p.Event != nil {
			p.Update.Event = p.Event.Number
		}
		p.Incident.Updates = append(slices.Clone(p.Incident.Updates), *p.Update)
	}
	return p, nil
}

func (m *memory) known(keys []string) error {
	for i, c := range keys {
		if _, there := m.components[c]; !there {
			return notifier.Invalidf("components["+strconv.Itoa(i)+"]", "there is no component %q", c)
		}
	}
	return nil
}

func (m *memory) OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error) {
	defer m.in(ctx)()
	p, err := m.write(p)
	if err != nil {
		return p, err
	}
	m.incidents = append(m.incidents, p.Incident)
	return p, m.broken
}

func (m *memory) at(id string) int {
	return slices.IndexFunc(m.incidents, func(i notifier.Incident) bool { return i.ID == id })
}

func (m *memory) ReviseIncident(ctx context.Context, id string, change func(notifier.Incident) (notifier.Posting, error)) (notifier.Posting, error) {
	defer m.in(ctx)()
	i := m.at(id)
	if i < 0 {
		return notifier.Posting{}, notifier.ErrNotFound
	}
	p, err := change(m.incidents[i])
	if err != nil {
		return p, err
	}
	if p, err = m.write(p); err != nil {
		return p, err
	}
	m.incidents[i] = p.Incident
	return p, nil
}

func (m *memory) CorrectUpdate(ctx context.Context, incident, update string, change func(notifier.Update) (notifier.Update, error)) (notifier.Update, error) {
	defer m.in(ctx)()
	i := m.at(incident)
	if i < 0 {
		return notifier.Update{}, notifier.ErrNotFound
	}
	for n, u := range m.incidents[i].Updates {
		if u.ID != update {
			continue
		}
		changed, err := change(u)
		if err == nil {
			m.incidents[i].Updates[n] = changed
		}
		return changed, err
	}
	return notifier.Update{}, notifier.ErrNotFound
}

func (m *memory) Incident(ctx context.Context, id string) (notifier.Incident, error) {
	defer m.in(ctx)()
	i := m.at(id)
	if i < 0 {
		return notifier.Incident{}, notifier.ErrNotFound
	}
	return m.incidents[i], m.broken
}

func (m *memory) Incidents(ctx context.Context, q notifier.IncidentQuery) ([]notifier.Incident, string, error) {
	defer m.in(ctx)()
	var all []notifier.Incident
	for _, i := range slices.Backward(m.incidents) {
		if (q.Kind == "" || i.Kind == q.Kind) && (q.State == "" || i.State == q.State) && (!q.Open || i.Open()) {
			all = append(all, i)
		}
	}
	return cut(all, q.Cursor, q.Limit)
}

// cut makes a page; a cursor is the place of the first that it shows.
func cut[T any](all []T, cursor string, limit int) ([]T, string, error) {
	from := 0
	if cursor != "" {
		var err error
		if from, err = strconv.Atoi(cursor); err != nil || from > len(all) {
			return nil, "", notifier.Invalidf("cursor", "is not one that was given out")
		}
	}
	to := min(from+limit, len(all))
	next := ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next, nil
}

func (m *memory) Story(ctx context.Context, event int64) (notifier.Story, error) {
	defer m.in(ctx)()
	if event < 1 || int(event) > len(m.events) {
		return notifier.Story{}, notifier.ErrNotFound
	}
	s := notifier.Story{Event: m.events[event-1]}
	for _, e := range m.events[:event-1] {
		if e.IncidentID == s.Event.IncidentID {
			s.Previous = append(s.Previous, e)
		}
	}
	return s, nil
}

func (m *memory) Progress(ctx context.Context, event string) (notifier.Progress, error) {
	defer m.in(ctx)()
	for _, e := range m.events {
		if e.ID == event {
			return notifier.Progress{Event: e}, nil
		}
	}
	return notifier.Progress{}, notifier.ErrNotFound
}

func (m *memory) RetryFailed(ctx context.Context, event string) (int, error) {
	_, err := m.Progress(ctx, event)
	return 0, err
}

func (m *memory) Deliveries(context.Context, notifier.DeliveryQuery) ([]notifier.Delivery, string, error) {
	return nil, "", nil
}

func (m *memory) RetryDelivery(context.Context, notifier.DeliveryID) error {
	return notifier.ErrNotFound
}
func (m *memory) Depths(context.Context) ([]notifier.Depth, error) { return nil, nil }

func (m *memory) Pulse(ctx context.Context) (notifier.Pulse, error) {
	defer m.in(ctx)()
	return notifier.Pulse{Pauses: slices.Clone(m.pauses)}, nil
}

func (m *memory) Pause(ctx context.Context, p notifier.Pause) error {
	defer m.in(ctx)()
	m.pauses = append(m.pauses, p)
	return nil
}

func (m *memory) Resume(ctx context.Context, scope notifier.PauseScope, key string) error {
	defer m.in(ctx)()
	m.pauses = slices.DeleteFunc(m.pauses, func(p notifier.Pause) bool { return p.Scope == scope && p.Key == key })
	return nil
}

func (m *memory) find(address string) *subscribers.Subscriber {
	for i := range m.people {
		if m.people[i].Address == address {
			return &m.people[i]
		}
	}
	return nil
}

func (m *memory) isBarred(address string) bool {
	return slices.ContainsFunc(m.barred, func(s subscribers.Suppression) bool { return s.Address == address })
}

func (m *memory) AddSubscriber(ctx context.Context, s subscribers.Subscriber, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error) {
	defer m.in(ctx)()
	if err := m.known(s.Filter.Components); err != nil {
		return s, err
	}
	if m.find(s.Address) != nil {
		return s, notifier.ErrConflict
	}
	if m.isBarred(s.Address) {
		return s, notifier.Refuse(notifier.ErrConflict, "this address is suppressed")
	}
	s.Number = subscribers.Number(len(m.people) + 1)
	m.people = append(m.people, s)
	if confirm != nil {
		if e := confirm(s); e != nil {
			e.Number = int64(len(m.events) + 1)
			m.events = append(m.events, *e)
		}
	}
	return s, nil
}

func (m *memory) Subscriber(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error) {
	defer m.in(ctx)()
	if n < 1 || int(n) > len(m.people) {
		return subscribers.Subscriber{}, notifier.ErrNotFound
	}
	return m.people[n-1], nil
}

func (m *memory) Subscribers(ctx context.Context, q subscribers.Query) ([]subscribers.Subscriber, string, error) {
	defer m.in(ctx)()
	var all []subscribers.Subscriber
	for _, s := range m.people {
		if (q.State == "" || s.State == q.State) && (q.Address == "" || s.Address == q.Address) {
			all = append(all, s)
		}
	}
	return cut(all, q.Cursor, q.Limit)
}

func (m *memory) ChangeSubscriber(ctx context.Context, n subscribers.Number, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error) {
	defer m.in(ctx)()
	if n < 1 || int(n) > len(m.people) {
		return subscribers.Subscriber{}, notifier.ErrNotFound
	}
	s := m.people[n-1]
	if err := change(&s); err != nil {
		return s, err
	}
	m.people[n-1] = s
	return s, nil
}

func (m *memory) ImportSubscribers(ctx context.Context, batch []subscribers.Subscriber, overwrite bool) ([]subscribers.Imported, []error, error) {
	defer m.in(ctx)()
	fates, errs := make([]subscribers.Imported, len(batch)), make([]error, len(batch))
	for i, s := range batch {
		errs[i] = m.known(s.Filter.Components)
		switch there := m.find(s.Address); {
		case errs[i] != nil:
		case m.isBarred(s.Address):
			fates[i] = subscribers.ImportSuppressed
		case there == nil:
			s.Number = subscribers.Number(len(m.people) + 1)
			m.people = append(m.people, s)
			fates[i] = subscribers.ImportAdded
		case overwrite:
			there.Filter = s.Filter
			fates[i] = subscribers.ImportChanged
		default:
			fates[i] = subscribers.ImportUnchanged
		}
	}
	return fates, errs, m.broken
}

func (m *memory) Audit(ctx context.Context, action, _, _ string) error {
	defer m.in(ctx)()
	m.audit = append(m.audit, notifier.ActorFrom(ctx).Name+" "+action)
	return nil
}

func (m *memory) Suppress(ctx context.Context, s subscribers.Suppression) error {
	defer m.in(ctx)()
	m.barred = append(m.barred, s)
	return nil
}

func (m *memory) Unsuppress(ctx context.Context, _ notifier.Channel, address string) error {
	defer m.in(ctx)()
	if !m.isBarred(address) {
		return notifier.ErrNotFound
	}
	m.barred = slices.DeleteFunc(m.barred, func(s subscribers.Suppression) bool { return s.Address == address })
	return nil
}

func (m *memory) Suppressions(ctx context.Context, cursor string, limit int) ([]subscribers.Suppression, string, error) {
	defer m.in(ctx)()
	return cut(slices.Clone(m.barred), cursor, limit)
}

func (m *memory) CreateToken(_ context.Context, t notifier.Token, hash [32]byte) error {
	m.tokens[hash] = t
	return nil
}

func (m *memory) RevokeToken(_ context.Context, id string) error {
	for h, t := range m.tokens {
		if t.ID == id {
			t.RevokedAt = time.Unix(1, 0)
			m.tokens[h] = t
		}
	}
	return nil
}

func (m *memory) TokenByHash(_ context.Context, hash [32]byte) (notifier.Token, error) {
	t, there := m.tokens[hash]
	if !there {
		return t, fmt.Errorf("token: %w", notifier.ErrNotFound)
	}
	return t, nil
}

func (m *memory) Atomic(ctx context.Context, do func(ctx context.Context) error) error {
	defer m.in(ctx)()
	people, events, incidents, components := slices.Clone(m.people), slices.Clone(m.events), slices.Clone(m.incidents), maps.Clone(m.components)
	err := do(context.WithValue(ctx, inside{}, true))
	if err != nil {
		m.people, m.events, m.incidents, m.components = people, events, incidents, components
	}
	return err
}

func (m *memory) Once(ctx context.Context, k notifier.OnceKey, do func(ctx context.Context) (notifier.Answer, error)) (notifier.Answer, bool, error) {
	var said notifier.Answer
	replayed := false
	err := m.Atomic(ctx, func(ctx context.Context) error {
		if was, there := m.answers[k.Scope+"\x00"+k.Key]; there {
			if was.body != k.Body {
				return notifier.Refuse(notifier.ErrConflict, "this key was used for another request")
			}
			said, replayed = was.answer, true
			return nil
		}
		var err error
		if said, err = do(ctx); err == nil {
			m.answers[k.Scope+"\x00"+k.Key] = kept{k.Body, said}
		}
		return err
	})
	return said, replayed, err
}
