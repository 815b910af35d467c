package templates

import "container/list"

// lru keeps the max values used last.
type lru[K comparable, V any] struct {
	max   int
	order list.List
	items map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
}

func (c *lru[K, V]) get(k K) (V, bool) {
	e, ok := c.items[k]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(e)
	return e.Value.(lruItem[K, V]).value, true
}

func (c *lru[K, V]) put(k K, v V) {
	if c.items == nil {
		c.items = map[K]*list.Element{}
	}
	if e, ok := c.items[k]; ok {
		e.Value = lruItem[K, V]{k, v}
		c.order.MoveToFront(e)
		return
	}
	c.items[k] = c.order.PushFront(lruItem[K, V]{k, v})
	if c.order.Len() > c.max {
		last := c.order.Back()
		delete(c.items, last.Value.(lruItem[K, V]).key)
		c.order.Remove(last)
	}
}
