package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// homes are who of some readers lives on which of some components.
type homes struct {
	lists map[string]int64           // the list of members, by component; of those that have one
	lived map[string]map[string]bool // components by address, in lower case; of those with a list
}

// touches is what subscribers.Filter.Match asks about an address of mail.
func (h homes) touches(address string) func(component string) bool {
	in := h.lived[fold(address)]
	return func(component string) bool { return h.lists[component] == 0 || in[component] }
}

// listsOf are the lists of members that components have. An empty list is none.
func listsOf(tx *gorm.DB, components []string) (map[string]int64, error) {
	out := map[string]int64{}
	for part := range slices.Chunk(components, 500) {
		var found []struct {
			ComponentKey string
			Number       int64
		}
		if err := tx.Raw(`SELECT component_key, number FROM audiences WHERE component_key IN ? AND component_key <> '' AND state = 'current' AND recipients > 0 ORDER BY number`, part).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for lists of members: %w", err)
		}
		for _, f := range found {
			out[f.ComponentKey] = f.Number
		}
	}
	return out, nil
}

// homesOf looks up where addresses live among components, each by itself. A list
// that takes the place of another meanwhile is what counts: the other is swept
// away, perhaps in front of who reads it.
func (s *Store) homesOf(tx *gorm.DB, components, addresses []string) (homes, error) {
	h := homes{}
	lists, err := listsOf(tx, components)
	for err == nil && len(lists) > 0 && len(addresses) > 0 {
		h = homes{lists: lists, lived: map[string]map[string]bool{}}
		if err = s.fillHomes(tx, h, addresses); err != nil {
			break
		}
		if lists, err = listsOf(tx, components); err == nil && maps.Equal(lists, h.lists) {
			break
		}
	}
	if h.lists = lists; err != nil {
		return homes{}, err
	}
	return h, nil
}

func (s *Store) fillHomes(tx *gorm.DB, h homes, addresses []string) error {
	of := map[int64]string{}
	var files []int64
	for component, list := range h.lists {
		of[list] = component
		files = append(files, list)
	}
	slices.Sort(files)
	folded := make([]string, len(addresses))
	for i, a := range addresses {
		folded[i] = fold(a)
	}
	slices.Sort(folded)
	folded = slices.Compact(folded)
	for _, column := range []string{"address", "folded"} { // the second where the list has capitals
		found, err := s.recipientsAt(tx, column, folded, files)
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.Channel != string(notifier.Email) {
				continue
			}
			in := h.lived[fold(f.Address)]
			if in == nil {
				in = map[string]bool{}
				h.lived[fold(f.Address)] = in
			}
			in[of[f.Audience]] = true
		}
	}
	return nil
}

// touched is the condition that the event touches the reader s, of those who want
// to hear of nothing else; "" where it touches everybody. These few are looked up
// first, so that who did not ask for it costs nothing.
func (x *expansion) touched(components []string) (string, []any, error) {
	lists, err := listsOf(x.tx, components)
	if err != nil || len(lists) == 0 {
		return ``, nil, err
	}
	who := ``
	if x.news() {
		who = mayAtOnce
	}
	of := `subscribers`
	if x.store.dialect == sqlite { // which would walk along the numbers of all
		of += ` INDEXED BY subscribers_mine`
	}
	var found []subscriberRow
	if err := x.tx.Raw(`SELECT number, address, chooses FROM `+of+` WHERE mine AND number > ? AND number <= ? AND state = 'active'`+who, x.lo, x.hi).Scan(&found).Error; err != nil {
		return ``, nil, fmt.Errorf("find who wants only what touches them: %w", err)
	}
	if len(found) == 0 {
		return ``, nil, nil
	}
	chosen, err := x.store.chosenAmong(x.tx, found, components)
	if err != nil {
		return ``, nil, err
	}
	addresses := make([]string, len(found))
	for i, r := range found {
		addresses[i] = r.Address
	}
	h, err := x.store.homesOf(x.tx, components, addresses)
	if err != nil {
		return ``, nil, err
	}
	var touched []int64
	for _, r := range found {
		f := subscribers.Filter{Mine: true}
		if r.Chooses {
			if f.Components = chosen[r.Number]; len(f.Components) == 0 {
				continue
			}
		}
		if f.Concerned(components, h.touches(r.Address)) {
			touched = append(touched, r.Number)
		}
	}
	in, arg := x.store.among(`s.number`, touched)
	return ` AND (NOT s.mine OR ` + in + `)`, []any{arg}, nil
}

// chosenAmong are those of components that readers chose, of those who choose.
func (s *Store) chosenAmong(tx *gorm.DB, readers []subscriberRow, components []string) (map[int64][]string, error) {
	var choosing []int64
	for _, r := range readers {
		if r.Chooses {
			choosing = append(choosing, r.Number)
		}
	}
	out := map[int64][]string{}
	if len(choosing) == 0 {
		return out, nil
	}
	in, arg := s.among(`subscriber`, choosing)
	var chosen []subscriberComponentRow
	if err := tx.Raw(`SELECT subscriber, component_key FROM subscriber_components WHERE `+in+` AND component_key IN ?`, arg, components).Scan(&chosen).Error; err != nil {
		return nil, fmt.Errorf("read what subscribers chose: %w", err)
	}
	for _, c := range chosen {
		out[c.Subscriber] = append(out[c.Subscriber], c.ComponentKey)
	}
	return out, nil
}

// HasMembers reports whether it is known of any component who lives on it, so
// that readers can be offered to hear only of what touches them.
func (s *Store) HasMembers(ctx context.Context) (bool, error) {
	var some bool
	if err := s.conn(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM audiences WHERE component_key <> '' AND state = 'current' AND recipients > 0)`).Scan(&some).Error; err != nil {
		return false, translate(fmt.Errorf("look for lists of members: %w", err))
	}
	return some, nil
}

// homes are those of the readers who want only what touches them, among the
// components that something happened to.
func (b *backlogs) homes(rows []digestReader) (homes, error) {
	var addresses []string
	for _, r := range rows {
		if r.Row.Mine && r.Row.Number > 0 {
			addresses = append(addresses, r.Row.Address)
		}
	}
	if len(addresses) == 0 {
		return homes{}, nil
	}
	named := map[string]bool{}
	for _, e := range b.events {
		for _, c := range e.Components {
			named[c] = true
		}
	}
	return b.store.homesOf(b.tx, slices.Sorted(maps.Keys(named)), addresses)
}
