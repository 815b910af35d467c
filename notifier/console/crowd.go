package console

import (
	"sync"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// crowd bounds in memory how many strangers may try to sign in, before anything
// is written: a flood of tries must not hold up a database with one writer. It
// is looser than what is counted there, and each process has its own.
type crowd struct {
	lock     sync.Mutex
	all      time.Time            // when the budget of all is whole again
	networks map[string]time.Time // the same of each network
}

// crowdAll is for all networks together. mostNetworks bounds the memory; for
// those beyond it there is what all have.
const mostNetworks = 4096

func crowdAll() subscribers.Budget {
	return subscribers.Budget{Every: 200 * time.Millisecond, Burst: 50}
}

func crowdEach() subscribers.Budget { return subscribers.Budget{Every: 30 * time.Second, Burst: 20} }

// enter lets one try of a network in: *notifier.TooOften where there were too many.
func (c *crowd) enter(network string, now time.Time) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	whole, known := c.networks[network]
	at, ok := crowdEach().Take(whole, now)
	if !ok {
		return &notifier.TooOften{Wait: at.Sub(now)}
	}
	all, ok := crowdAll().Take(c.all, now)
	if !ok {
		return &notifier.TooOften{Wait: all.Sub(now)}
	}
	c.all = all
	if !known && len(c.networks) >= mostNetworks {
		for n, whole := range c.networks {
			if !whole.After(now) {
				delete(c.networks, n)
			}
		}
	}
	if known || len(c.networks) < mostNetworks {
		c.networks[network] = at
	}
	return nil
}

// leave gives a network's tries back: somebody of it signed in.
func (c *crowd) leave(network string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	delete(c.networks, network)
}
