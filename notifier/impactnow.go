package notifier

// FeltAfter are the figures that updates, oldest first, come to: what one of them
// leaves empty stays as it was said before.
func FeltAfter(updates []Update) Impact {
	var i Incident
	for n, u := range updates {
		i.Updates = updates[:n]
		i.add(u.Impact, u.Status.Final())
	}
	return i.Impact
}

// add takes what an update says into the figures, which sum up the worst where it
// is the last word.
func (i *Incident) add(said Impact, final bool) {
	if final {
		i.Impact = i.worst(said)
	} else {
		i.Impact = i.Impact.merge(said)
	}
}

// ImpactThen are the figures as they stood after the first n updates. What was
// corrected since counts as it was corrected: nobody is told what was found wrong.
func (i *Incident) ImpactThen(n int) Impact {
	if n >= len(i.Updates) {
		return i.Impact
	}
	all, then, now := FeltAfter(i.Updates), FeltAfter(i.Updates[:n]), i.Impact
	if !all.sameDelay(now) {
		then.DelayMinMinutes, then.DelayMaxMinutes = now.DelayMinMinutes, now.DelayMaxMinutes
	}
	for k, f := range then.others() {
		if !sameFigure(*all.others()[k], *now.others()[k]) {
			*f = *now.others()[k]
		}
	}
	return then
}

// Felt is what readers feel now: the figures, without a delay that is over by the
// latest word on it. Those of the incident keep it, for its all-clear.
func (i *Incident) Felt() Impact {
	out := i.Impact
	if !FeltAfter(i.Updates).sameDelay(out) { // it was corrected
		return out
	}
	for n := len(i.Updates) - 1; n >= 0; n-- {
		if said := i.Updates[n].Impact; said.DelayMinMinutes != nil || said.DelayMaxMinutes != nil {
			if !said.late() {
				out.DelayMinMinutes, out.DelayMaxMinutes = nil, nil
			}
			break
		}
	}
	return out
}

func (i Impact) sameDelay(o Impact) bool {
	return sameFigure(i.DelayMinMinutes, o.DelayMinMinutes) && sameFigure(i.DelayMaxMinutes, o.DelayMaxMinutes)
}

func sameFigure(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }
