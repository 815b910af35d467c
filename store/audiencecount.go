package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// count counts a new recipient by what its first row says.
func (a *adding) count(r *coming) error {
	if r.Fields == nil { // it was put aside
		if err := json.Unmarshal([]byte(r.text), &r.Fields); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
	}
	a.share("channel", string(r.Channel), 1)
	a.share("language", r.Language, 1)
	if _, domain, ok := strings.Cut(r.Address, "@"); ok && r.Channel == notifier.Email {
		a.share("domain", domain, 1)
	}
	a.columns(r, true)
	return nil
}

// columns counts which columns are filled in a row.
func (a *adding) columns(r *coming, first bool) {
	seen := map[string]bool{}
	for _, f := range r.Fields {
		n := int64(0)
		if first && strings.TrimSpace(f.Text) != "" && !seen[f.Name] {
			n, seen[f.Name] = 1, true
		}
		a.share("column", f.Name, n)
	}
}

func (a *adding) share(kind, name string, n int64) {
	k := share{kind, name}
	c := a.shares[k]
	if c == nil {
		c = &counted{place: (a.file.Lines+a.file.aside())*1000 + int64(len(a.shares))}
		a.shares[k] = c
	}
	c.n += n
}

// twins counts the recipients whose addresses differ by the case of letters only.
func (a *adding) twins(fresh []coming) error {
	if len(fresh) == 0 {
		return nil
	}
	folded := map[string]bool{}
	for i := range fresh {
		folded[fold(fresh[i].Address)] = true
	}
	all := make([]string, 0, len(folded))
	for f := range folded {
		all = append(all, f)
	}
	slices.Sort(all)
	there := map[person]int64{} // by folded address
	for _, column := range []string{"address", "folded"} {
		found, err := a.store.recipientsAt(a.tx, column, all, a.files)
		if err != nil {
			return err
		}
		for _, f := range found {
			there[person{f.Channel, fold(f.Address)}]++
		}
	}
	for i := range fresh {
		who := person{string(fresh[i].Channel), fold(fresh[i].Address)}
		switch there[who]++; there[who] {
		case 1:
		case 2:
			a.file.CaseTwins += 2
		default:
			a.file.CaseTwins++
		}
	}
	return nil
}

// erased counts who is new and asked to be forgotten.
func (a *adding) erased(fresh []coming) error {
	byChannel := map[notifier.Channel][]string{}
	for i := range fresh {
		byChannel[fresh[i].Channel] = append(byChannel[fresh[i].Channel], fresh[i].Address)
	}
	for channel, addresses := range byChannel {
		gone, err := a.store.gone(a.tx, channel, addresses)
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			a.share("erased", "", int64(len(gone)))
		}
	}
	return nil
}

// saveShares adds to what the file's recipients are counted by.
func (a *adding) saveShares() error {
	b := newBatch(len(a.shares), "audience bigint", "kind text", "name text", "place bigint", "count bigint")
	keys := make([]share, 0, len(a.shares))
	for k := range a.shares {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y share) int { return strings.Compare(x.kind+" "+x.name, y.kind+" "+y.name) })
	for _, k := range keys {
		b.add(a.file.Number, &k.kind, &k.name, a.shares[k].place, a.shares[k].n)
	}
	if len(b.values[0]) > 0 {
		from, args := b.from(a.store)
		if err := a.tx.Exec(`INSERT INTO audience_shares (audience, kind, name, place, count) SELECT audience, kind, name, place, count FROM `+from+` WHERE true
			ON CONFLICT (audience, kind, name) DO UPDATE SET count = audience_shares.count + excluded.count`, args...).Error; err != nil {
			return err
		}
	}
	return a.saveWhole()
}

// gone are those of the addresses whose owners asked to be forgotten, and have
// not come back since.
func (s *Store) gone(tx *gorm.DB, channel notifier.Channel, addresses []string) (map[string]bool, error) {
	out, err := s.erased(tx, channel, addresses)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	var list []string
	for a := range out {
		list = append(list, a)
	}
	back, err := present(tx, "subscribers", channel, list)
	for _, a := range back {
		delete(out, a)
	}
	return out, err
}
