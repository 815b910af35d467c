package web

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// How many forms a process takes as they are, with a copied code, and with the
// work done. Beyond the first it asks for one of the others, so that the work
// switches itself on in a rush and off behind it. Each is far above what people
// do, and what leaves is limited again, and for all processes together, by
// subscribers.SignUpLimits.
var (
	freeRate   = subscribers.Budget{Every: 2 * time.Second, Burst: 60}
	typedRate  = subscribers.Budget{Every: 200 * time.Millisecond, Burst: 50}
	workedRate = subscribers.Budget{Every: 50 * time.Millisecond, Burst: 100}
)

// easyWork is how hard the work is at first: a moment for a telephone.
const easyWork = 16

// meter is a budget of this process.
type meter struct {
	subscribers.Budget
	mu    sync.Mutex
	whole time.Time
}

func (m *meter) take(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.Take(m.whole, now)
	if ok {
		m.whole = at
	}
	return ok
}

// used is how many are taken at the moment.
func (m *meter) used(now time.Time) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(max(m.whole.Sub(now), 0) / m.Every)
}

// hardness is how hard the work is now: the more come who did it, the harder,
// up to minutes, so that whoever floods pays for every step.
func (s *site) hardness(now time.Time) int {
	return easyWork + (gate.MostBits-easyWork)*s.worked.used(now)/s.worked.Burst
}

// door is one of the forms that anybody may send, with its gate. What they let
// through is counted together.
type door struct {
	*site
	gate *gate.Gate
	link bool // it asks for a link to manage, and else to sign up

	name   string   // of the form of another channel: endpoints, phone
	fields []string // that a person fills in
}

func (s *site) signUpDoor() door { return door{site: s, gate: s.gate, fields: entryFields} }

func (s *site) linkDoor() door {
	return door{site: s, gate: s.gate.For("link"), link: true, fields: entryFields}
}

// judge decides whether a form may pass, by how old it is, what was done for it
// and how many come at the moment. Where it may not, the answer shows the
// button again and says why: never silence.
func (d door) judge(in url.Values, address string) (gate.Proof, *answer) {
	s, now := d.site, d.now()
	switch err := d.gate.CheckForm(in.Get(fieldToken), now); {
	case errors.Is(err, gate.ErrEarly): // the same token again, which grows older
		again := d.again(in, in.Get(fieldToken))
		return gate.None, &again
	case err != nil:
		again := d.again(in, d.gate.Form(now))
		return gate.None, &again
	}
	proof := gate.None
	if token := in.Get(fieldChallenge); token != "" {
		var err error
		proof, err = d.gate.Check(token, address, in.Get(fieldNumber), in.Get(fieldCode), now)
		if err != nil || proof == gate.None {
			again := d.step(in, address, "code")
			return gate.None, &again
		}
	}
	if proof == gate.None {
		if !s.free.take(now) {
			again := d.step(in, address, "")
			return proof, &again
		}
		return proof, nil
	}
	room := &s.typed
	if proof == gate.Worked {
		room = &s.worked
	}
	switch fresh, took := d.gate.Spend(in.Get(fieldChallenge), now, func() bool { return room.take(now) }); {
	case !fresh: // one answer is good for one form
		again := d.step(in, address, "")
		return gate.None, &again
	case !took:
		busy := s.busy()
		return proof, &busy
	}
	return proof, nil
}

// trapped reports whether a field that no person sees was filled in. Such a form
// is judged, kept and answered as any other, so that whatever fills it in learns
// nothing, neither by the answer nor by its time, and then nothing is done for it.
func trapped(in url.Values) bool { return in.Get(fieldTrap) != "" }

// again shows the button again.
func (d door) again(in url.Values, token string) answer {
	return answer{
		name: templates.PageSubscribeStep, status: http.StatusUnprocessableEntity,
		data: templates.SubscribeStep{Link: d.link, Door: d.name, Token: token, Entered: enteredOf(in, d.fields)},
	}
}

// step asks for the work, or for a code to be copied.
func (d door) step(in url.Values, address, wrong string) answer {
	now := d.now()
	c := d.gate.Challenge(address, d.hardness(now), now)
	return answer{
		name: templates.PageSubscribeStep, status: http.StatusTooManyRequests,
		data: templates.SubscribeStep{Link: d.link, Door: d.name, Token: in.Get(fieldToken), Entered: enteredOf(in, d.fields), Challenge: c.Token, Bits: c.Bits, Code: c.Code, Wrong: wrong != ""},
	}
}

// busy says that not even work helps at the moment.
func (s *site) busy() answer {
	return answer{name: templates.PageSubscribeBusy, status: http.StatusServiceUnavailable, retry: 60, data: templates.ActionPage{}}
}
