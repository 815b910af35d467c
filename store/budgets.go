package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"allclear/subscribers"
)

// bill is what a confirmation could not be paid from, and when that can be
// tried again; refused is "" where it was paid.
type bill struct {
	refused subscribers.Scope
	later   time.Time
}

// pay takes one mail out of one purse of every list, or out of none.
func (d *registrar) pay(out [][]subscribers.Purse) (bill, error) {
	var from []subscribers.Purse
	var whole []time.Time
	for _, purses := range out {
		paid, no := false, bill{refused: purses[0].Scope}
		for _, p := range purses {
			p.Key = d.store.budgetKey(p)
			at, ok, err := d.draw(p)
			if err != nil {
				return no, err
			}
			if paid = ok; ok {
				from, whole = append(from, p), append(whole, at)
				break
			}
			if no.later.IsZero() || at.Before(no.later) {
				no.later = at
			}
		}
		if !paid {
			return no, nil
		}
	}
	for i, p := range from {
		if err := d.tx.Exec(`INSERT INTO budgets (scope, key, whole_at) VALUES (?, ?, ?)
			ON CONFLICT (scope, key) DO UPDATE SET whole_at = excluded.whole_at`, string(p.Scope), p.Key, micros(whole[i])).Error; err != nil {
			return bill{}, fmt.Errorf("write a budget: %w", err)
		}
	}
	return bill{}, nil
}

// draw looks whether a budget holds something, and writes nothing.
func (d *registrar) draw(p subscribers.Purse) (at time.Time, ok bool, err error) {
	var rows []int64
	if err := d.tx.Raw(`SELECT whole_at FROM budgets WHERE scope = ? AND key = ?`, string(p.Scope), p.Key).Scan(&rows).Error; err != nil {
		return at, false, fmt.Errorf("read a budget: %w", err)
	}
	if len(rows) > 0 {
		at = instant(rows[0])
	}
	at, ok = d.limits[p.Scope].Take(at, d.now)
	return at, ok, nil
}

// budgetKey hides an address: its budget outlives its row, and it may be one
// whose owner never heard of us.
func (s *Store) budgetKey(p subscribers.Purse) string {
	switch p.Scope {
	case subscribers.PerAddress, subscribers.PerContact, subscribers.PerNumber:
		return s.hidden("budget", p.Key)
	}
	return p.Key
}

// hidden is an address as what is kept of it for a purpose: an HMAC.
func (s *Store) hidden(purpose, address string) string {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte("allclear " + purpose + " " + address))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
