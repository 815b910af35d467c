package notifier

import "time"

// Impact is what readers felt, in numbers. Nil fields are unknown.
type Impact struct {
	DelayMinMinutes *float64 `json:"delay_min_minutes,omitempty"`
	DelayMaxMinutes *float64 `json:"delay_max_minutes,omitempty"`
	ErrorRate       *float64 `json:"error_rate,omitempty"`     // 0 to 1
	AffectedShare   *float64 `json:"affected_share,omitempty"` // 0 to 1
	PerSecond       *float64 `json:"per_second,omitempty"`
}

// IsZero reports whether nothing is known.
func (i Impact) IsZero() bool { return i == Impact{} }

func (i Impact) check() error {
	for _, f := range []struct {
		name string
		v    *float64
		max  float64
	}{
		{"impact.delay_min_minutes", i.DelayMinMinutes, 1e6}, {"impact.delay_max_minutes", i.DelayMaxMinutes, 1e6},
		{"impact.error_rate", i.ErrorRate, 1}, {"impact.affected_share", i.AffectedShare, 1}, {"impact.per_second", i.PerSecond, 1e12},
	} {
		if f.v != nil && !(*f.v >= 0 && *f.v <= f.max) {
			return Invalidf(f.name, "%v is not between 0 and %v", *f.v, f.max)
		}
	}
	if i.DelayMinMinutes != nil && i.DelayMaxMinutes != nil && *i.DelayMinMinutes > *i.DelayMaxMinutes {
		return Invalidf("impact.delay_min_minutes", "is more than delay_max_minutes")
	}
	return nil
}

// merge takes the newer figures where there are any, and widens the range of
// delays so that what was known and what is said now lie in it: the all-clear
// sums up how bad it was, and "up to 10" then "20 and more" is no contradiction.
func (i Impact) merge(n Impact) Impact {
	least := func(a, b *float64) *float64 {
		if a == nil || b != nil && *b < *a {
			return b
		}
		return a
	}
	most := func(a, b *float64) *float64 {
		if a == nil || b != nil && *b > *a {
			return b
		}
		return a
	}
	lo, hi := least(i.DelayMinMinutes, n.DelayMinMinutes), most(i.DelayMaxMinutes, n.DelayMaxMinutes)
	if lo != nil && hi != nil {
		lo, hi = least(least(lo, i.DelayMaxMinutes), n.DelayMaxMinutes), most(most(hi, i.DelayMinMinutes), n.DelayMinMinutes)
	}
	i.DelayMinMinutes, i.DelayMaxMinutes = lo, hi
	if n.ErrorRate != nil {
		i.ErrorRate = n.ErrorRate
	}
	if n.AffectedShare != nil {
		i.AffectedShare = n.AffectedShare
	}
	if n.PerSecond != nil {
		i.PerSecond = n.PerSecond
	}
	return i
}

// others are the figures of which the latest counts while it goes on.
func (i *Impact) others() []**float64 {
	return []**float64{&i.ErrorRate, &i.AffectedShare, &i.PerSecond}
}

// worst is what an incident felt like in all, once said is its last word: of each
// figure the most that was said. Where it was corrected since, what was said
// before counts no more.
func (i *Incident) worst(said Impact) Impact {
	out, now := i.Impact.merge(said), i.Impact
	for n, figure := range out.others() {
		var last *float64
		most := *figure
		for _, u := range i.Updates {
			if f := *u.Impact.others()[n]; f != nil {
				if last = f; most == nil || *f > *most {
					most = f
				}
			}
		}
		kept := *now.others()[n]
		switch {
		case kept == nil: // nothing was known, or it was taken back
		case last != nil && *last == *kept:
			*figure = most
		case *figure == nil || *kept > **figure:
			*figure = kept
		}
	}
	return out
}

// Delayed is for how long readers were told that mail is late: from each update
// that gave a delay to the one that gave another, or to the end. It is reckoned in
// whole minutes, as the times of updates are shown; 0: only its end told of it.
func (i *Incident) Delayed() time.Duration {
	var total time.Duration
	var since time.Time // zero: nothing is late
	for _, u := range i.Updates {
		told := u.Impact.DelayMinMinutes != nil || u.Impact.DelayMaxMinutes != nil
		if !told && !u.Status.Final() {
			continue
		}
		at := u.At.Truncate(time.Minute)
		if !since.IsZero() {
			total += max(at.Sub(since), 0)
			since = time.Time{}
		}
		if u.Impact.late() && !u.Status.Final() {
			since = at
		}
	}
	return total
}

// late reports whether a delay is given.
func (i Impact) late() bool {
	return i.DelayMaxMinutes != nil && *i.DelayMaxMinutes > 0 || i.DelayMinMinutes != nil && *i.DelayMinMinutes > 0
}
