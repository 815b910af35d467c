package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

const (
	// keepCopy is how long a copy of a page is good after it was begun. Visitors
	// come in crowds when something is broken, and what is new must show within
	// a second.
	keepCopy = 500 * time.Millisecond
	// makeCopy is how long making one may take, whoever still waits for it.
	makeCopy = 10 * time.Second
	// maxCopies and maxCopied bound the memory: how many copies, and bytes in all.
	maxCopies = 256
	maxCopied = 16 << 20
)

// leaf is a body that is ready to be sent, any number of times.
type leaf struct {
	body     []byte
	kind     string    // media type
	tag      string    // ETag of the body
	lang     string    // of the text; "" where there is none
	modified time.Time // when what it tells last changed; zero is unknown
	fixed    bool      // it is the same whatever language the reader asks for
}

func newLeaf(body []byte, kind string) leaf { return leaf{body: body, kind: kind, tag: tagOf(body)} }

// tagOf makes the ETag of what parts hold.
func tagOf(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return `"` + hex.EncodeToString(h.Sum(nil)[:12]) + `"`
}

// send answers GET and HEAD, with 304 for what the client has already.
func (l leaf) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", l.kind)
	h.Set("ETag", l.tag)
	if l.lang != "" {
		h.Set("Content-Language", l.lang)
	}
	if l.fixed {
		h.Del("Vary")
	}
	http.ServeContent(w, r, "", l.modified, bytes.NewReader(l.body))
}

// copies keeps what was made for one visitor for those who come at the same
// moment. Of several who ask for what is not there, one makes it and the others
// wait for it.
type copies struct {
	now     func() time.Time
	changes func() int64

	mu   sync.Mutex
	kept map[string]*copied
	size int // of all that are kept and made, in bytes
}

func newCopies(now func() time.Time, changes func() int64) *copies {
	return &copies{now: now, changes: changes, kept: map[string]*copied{}}
}

type copied struct {
	begun   time.Time
	changes int64
	done    chan struct{}
	leaf    leaf
	err     error
	size    int // as it was added to the sum
}

// get returns the copy of a key, made by render where there is none that is good.
func (c *copies) get(ctx context.Context, key string, render func(ctx context.Context) (leaf, error)) (leaf, error) {
	x, mine := c.take(key)
	if mine {
		c.fill(ctx, key, x, render)
	}
	select {
	case <-x.done:
		return x.leaf, x.err
	case <-ctx.Done():
		return leaf{}, context.Cause(ctx)
	}
}

// take finds a copy that is good or being made, or begins one; then it is mine to make.
func (c *copies) take(key string) (x *copied, mine bool) {
	// The number is read before the first row: what changes meanwhile makes the copy bad.
	now, changes := c.now(), c.changes()
	c.mu.Lock()
	defer c.mu.Unlock()
	if x = c.kept[key]; x.good(now, changes) {
		return x, false
	}
	for k, old := range c.kept { // what nobody will be given any more
		if !old.good(now, changes) {
			c.drop(k, old)
		}
	}
	x = &copied{begun: now, changes: changes, done: make(chan struct{})}
	if len(c.kept) < maxCopies {
		c.kept[key] = x
	}
	return x, true
}

// drop forgets a copy, if it is the one that is kept. c.mu is held.
func (c *copies) drop(key string, x *copied) {
	if c.kept[key] == x {
		c.size -= x.size
		delete(c.kept, key)
	}
}

func (x *copied) good(now time.Time, changes int64) bool {
	if x == nil || x.changes != changes {
		return false
	}
	age := now.Sub(x.begun) // below zero where the clock was put back
	return age >= 0 && age < keepCopy
}

// fill makes a copy, for everybody: that the first who asked has left is no
// reason to stop. An error is told to those who wait, and not kept.
func (c *copies) fill(ctx context.Context, key string, x *copied, render func(ctx context.Context) (leaf, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeCopy)
	defer cancel()
	x.err = errUnmade // stands if render panics
	defer func() {
		c.mu.Lock()
		switch n := len(x.leaf.body); {
		case x.err != nil || c.size+n > maxCopied:
			c.drop(key, x)
		case c.kept[key] == x:
			x.size = n
			c.size += n
		}
		c.mu.Unlock()
		close(x.done)
	}()
	x.leaf, x.err = render(ctx)
}
