package email

import "sync/atomic"

// window remembers the last fifty answers to RCPT.
type window struct {
	bits  uint64
	count atomic.Int32 // of ones
}

const windowSize = 50

// none reports that all of them were good: then a good one more changes nothing.
func (w *window) none() bool { return w.count.Load() == 0 }

func (w *window) add(bad bool) (most bool) {
	n := w.count.Load()
	if w.bits>>(windowSize-1)&1 == 1 {
		n--
	}
	w.bits = w.bits << 1 & (1<<windowSize - 1)
	if bad {
		w.bits |= 1
		n++
	}
	w.count.Store(n)
	return n > windowSize/2
}

// broadcast wakes everybody who waits for something to change.
type broadcast struct {
	ch atomic.Pointer[chan struct{}]
}

func newBroadcast() *broadcast {
	b := &broadcast{}
	ch := make(chan struct{})
	b.ch.Store(&ch)
	return b
}

// wait returns a channel that is closed at the next change. Take it before looking.
func (b *broadcast) wait() <-chan struct{} { return *b.ch.Load() }

func (b *broadcast) all() {
	ch := make(chan struct{})
	close(*b.ch.Swap(&ch))
}
