package email

import (
	"container/list"
	"errors"
	"sync"
)

// shelf keeps skeletons by their letter's key, the least recently used going
// first when it is full. Each is built by one goroutine; others that want it wait.
type shelf struct {
	maxBytes, maxEntries int

	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *volume, last used in front
	bytes int
}

type volume struct {
	key   string
	build sync.Once
	sk    *skeleton
	err   error
	size  int // 0 until it is built
}

var errNotBuilt = errors.New("building it ended early")

func newShelf(maxBytes, maxEntries int) *shelf {
	if maxBytes <= 0 {
		maxBytes = 32 << 20
	}
	if maxEntries <= 0 {
		maxEntries = 2048
	}
	return &shelf{maxBytes: maxBytes, maxEntries: maxEntries, byKey: map[string]*list.Element{}, order: list.New()}
}

// find returns the skeleton of key where it stands ready, else nil. It is the
// way of all mails of a letter but the first, and allocates nothing.
func (s *shelf) find(key string) *skeleton {
	s.mu.Lock()
	defer s.mu.Unlock()
	el, ok := s.byKey[key]
	if !ok || el.Value.(*volume).size == 0 {
		return nil
	}
	s.order.MoveToFront(el)
	return el.Value.(*volume).sk
}

// get returns the skeleton of key, building it where it is not kept. An empty
// key keeps nothing; neither does a failure.
func (s *shelf) get(key string, build func() (*skeleton, error)) (*skeleton, error) {
	if key == "" {
		return build()
	}
	s.mu.Lock()
	el, ok := s.byKey[key]
	if ok {
		s.order.MoveToFront(el)
	} else {
		el = s.order.PushFront(&volume{key: key, err: errNotBuilt})
		s.byKey[key] = el
	}
	s.mu.Unlock()

	v := el.Value.(*volume)
	v.build.Do(func() {
		v.sk, v.err = build()
		s.weigh(el, v)
	})
	return v.sk, v.err
}

// weigh books a volume that was just built and makes room for it.
func (s *shelf) weigh(el *list.Element, v *volume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[v.key] != el {
		return // it was pushed out meanwhile
	}
	if v.err != nil {
		s.remove(el)
		return
	}
	v.size = v.sk.weight() + len(v.key)
	s.bytes += v.size
	for s.bytes > s.maxBytes || s.order.Len() > s.maxEntries {
		s.remove(s.order.Back())
	}
}

func (s *shelf) remove(el *list.Element) {
	v := el.Value.(*volume)
	s.order.Remove(el)
	delete(s.byKey, v.key)
	s.bytes -= v.size
}

// weight is about what a skeleton takes in memory, in bytes.
func (s *skeleton) weight() int {
	n := 512 + weigh(s.pieces)
	if c := s.canonical; c != nil {
		n += weigh(c.head) + weigh(c.body) + len(c.names)
	}
	return n
}

func weigh(pieces []piece) int {
	n := 0
	for _, p := range pieces {
		n += cap(p.text) + cap(p.patches)*32
	}
	return n
}
