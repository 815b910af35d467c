package main

import (
	"context"
	"net"
	"sync"
	"time"

	"allclear/subscribers"
)

const (
	mxPatience = 2 * time.Second  // for all lookups of a step
	mxLife     = 10 * time.Minute // of what a domain said
	mxKept     = 1000             // domains whose answer is remembered
	mxRest     = 30 * time.Second // without lookups, after one that got no answer
)

// noMail knows which domains say that they take no mail (a null MX, RFC 7505),
// so that a mail to them is not even tried. What DNS does not say in time, it
// does not say: then the mail is tried, and the relay's word counts.
type noMail struct {
	lookup func(ctx context.Context, domain string) ([]*net.MX, error) // nil asks nobody
	now    func() time.Time

	mu    sync.Mutex
	said  map[string]saidOfMail
	quiet time.Time // nobody is asked until then: DNS did not answer
}

type saidOfMail struct {
	none bool
	at   time.Time
}

// among returns those of the waiting whose domain takes no mail.
func (n *noMail) among(ctx context.Context, waiting []subscribers.Waiting) (ids []string) {
	ctx, done := context.WithTimeout(ctx, mxPatience)
	defer done()
	none := map[string]*bool{}
	var asking sync.WaitGroup
	for _, w := range waiting {
		if w.Domain == "" || none[w.Domain] != nil {
			continue
		}
		answer := new(bool)
		none[w.Domain] = answer
		asking.Go(func() { *answer = n.says(ctx, w.Domain) })
	}
	asking.Wait()
	for _, w := range waiting {
		if w.Domain != "" && *none[w.Domain] {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

// says reports whether a domain says that it takes no mail.
func (n *noMail) says(ctx context.Context, domain string) bool {
	now := n.now()
	n.mu.Lock()
	was, known := n.said[domain]
	rest := now.Before(n.quiet)
	n.mu.Unlock()
	switch {
	case known && now.Sub(was.at) < mxLife:
		return was.none
	case rest || n.lookup == nil:
		return false
	}
	found, err := n.lookup(ctx, domain+".")
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() != nil {
		// A step must not wait for what does not answer, over and over.
		n.quiet = now.Add(mxRest)
		return false
	}
	none := err == nil && len(found) == 1 && found[0].Host == "."
	if n.said == nil || len(n.said) >= mxKept {
		n.said = map[string]saidOfMail{}
	}
	n.said[domain] = saidOfMail{none, now}
	return none
}
