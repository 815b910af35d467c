package alarm

import (
	"maps"
	"slices"
	"time"

	"allclear/notifier"
)

// memory is what a Keeper keeps, for one process and without a database.
type memory struct{ kept map[string]*remembered }

type remembered struct {
	notifier.Alarm
	busy time.Time // until when it is being told of
}

func (m *memory) note(seen []notifier.Trouble, now time.Time) {
	if m.kept == nil {
		m.kept = map[string]*remembered{}
	}
	for _, s := range seen {
		if m.kept[s.Key] == nil {
			m.kept[s.Key] = &remembered{}
		}
		m.kept[s.Key].See(s, now)
	}
}

func (m *memory) take(now time.Time) []notifier.Alarm {
	var out []notifier.Alarm
	for _, k := range slices.Sorted(maps.Keys(m.kept)) {
		a := m.kept[k]
		if a.Rest(now); a.Due(now) && !now.Before(a.busy) {
			a.busy = now.Add(notifier.AlarmTry)
			out = append(out, a.Alarm)
		}
	}
	return out
}

func (m *memory) has(key string) bool { return m.kept[key] != nil }

func (m *memory) told(a notifier.Alarm, now time.Time) {
	kept := m.kept[a.Key]
	switch {
	case kept == nil:
	case a.Over && kept.Over:
		delete(m.kept, a.Key)
	case a.Over: // it came back meanwhile
		kept.Told, kept.Since, kept.busy = time.Time{}, kept.Seen, time.Time{}
	default:
		kept.Told, kept.busy = now, time.Time{}
	}
}
