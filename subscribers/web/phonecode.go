package web

import (
	"errors"
	"net/http"
	"sync"

	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// codesKept is how many codes are remembered that were right.
const codesKept = 1000

// rightCodes remembers codes that were right a moment ago. They are good once,
// and a browser shows the answer to the second of two presses.
type rightCodes struct {
	mu  sync.Mutex
	who map[string]subscribers.Subscriber // by pass and code
}

func (c *rightCodes) note(pass, code string, who subscribers.Subscriber) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.who == nil || len(c.who) >= codesKept {
		c.who = map[string]subscribers.Subscriber{}
	}
	c.who[pass+" "+code] = who
}

func (c *rightCodes) find(pass, code string) (subscribers.Subscriber, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who, ok := c.who[pass+" "+code]
	return who, ok
}

// checkCode says that a phone is subscribed, where the code is right. Its errors
// are those of CheckCode.
func (s *site) checkCode(r *http.Request, phone, pass, code string) (answer, error) {
	who, err := s.phones.Codes.CheckCode(r.Context(), phone, code, subscribers.Truncate(gate.Client(r, s.proxies)))
	if err == nil {
		s.right.note(pass, code, who)
	} else if was, ok := s.right.find(pass, code); ok && (errors.Is(err, subscribers.ErrCode) || errors.Is(err, subscribers.ErrCodeTries)) {
		who, err = was, nil
	}
	if err != nil {
		return answer{}, err
	}
	manage := "/manage/" + s.links.Token(subscribers.ForManage, who.Number, s.now().Add(subscribers.ManageLife))
	return answer{name: templates.PagePhoneDone, data: templates.ActionPage{Manage: manage}, lang: who.Language}, nil
}
