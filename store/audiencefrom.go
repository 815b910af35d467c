package store

import (
	"context"
	"fmt"

	"allclear/notifier"
)

// copyStep is how many recipients are copied at a time; each may have many rows.
const copyStep = 200

// addStep is how many rows are added in one transaction.
const addStep = 2000

// copyFiles adds to an upload what files hold, and their rejects.
func (s *Store) copyFiles(ctx context.Context, u notifier.Upload, files []audienceRow) error {
	db := s.conn(ctx)
	for _, f := range files {
		for place, reject := f.First, f.FirstReject; ; {
			var people []recipientRow
			if err := db.Raw(`SELECT `+recipientColumns+` FROM recipients AS r WHERE r.audience = ? AND r.place > ? ORDER BY r.place LIMIT ?`, f.Number, place, copyStep).Scan(&people).Error; err != nil {
				return translate(fmt.Errorf("copy an audience: %w", err))
			}
			var rejects []struct {
				Place, Line          int64
				Reason, Text, Header string
			}
			if err := db.Raw(`SELECT place, line, reason, text, header FROM rejects WHERE audience = ? AND place > ? AND ? > 0 ORDER BY place LIMIT ?`, f.Number, reject, f.Rejected, addStep).Scan(&rejects).Error; err != nil {
				return translate(fmt.Errorf("copy an audience: %w", err))
			}
			if len(people)+len(rejects) == 0 {
				break
			}
			var bad []notifier.Reject
			for _, r := range rejects {
				bad, reject = append(bad, notifier.Reject{Line: int(r.Line), Reason: r.Reason, Text: r.Text, Header: r.Header, Encoding: f.Encoding}), r.Place
			}
			if len(people) > 0 {
				place = people[len(people)-1].Place
			}
			if err := s.addCopies(ctx, u, files, people, bad); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCopies adds recipients with their rows, no more rows at a time than any batch has.
func (s *Store) addCopies(ctx context.Context, u notifier.Upload, files []audienceRow, people []recipientRow, rejects []notifier.Reject) error {
	var rows []notifier.AudienceRow
	bytes := 0
	for _, p := range people {
		r := p.recipient()
		if _, err := eachRows(s.conn(ctx), files, p, func(page rowPage) (bool, error) {
			for _, fields := range page.rows {
				rows = append(rows, notifier.AudienceRow{
					Channel: r.Channel, Address: r.Address, Language: r.Language, Timezone: r.Timezone, Account: r.Account, Fields: fields,
				})
			}
			bytes += page.bytes
			if len(rows) < pageRows && bytes < pageBytes {
				return false, nil
			}
			full := rows
			rows, bytes = nil, 0
			return false, s.AddToAudience(ctx, u, full, nil)
		}); err != nil {
			return translate(err)
		}
	}
	return s.AddToAudience(ctx, u, rows, rejects)
}

// keep are those of the rows that the file takes: it may leave out whom another
// notice was sent to, or will be.
func (a *adding) keep(rows []coming) ([]coming, error) {
	if a.file.Excludes == "" || len(rows) == 0 {
		return rows, nil
	}
	other, err := takeNotice(a.tx, a.file.Excludes)
	if err != nil || other.Event == 0 {
		return rows, err
	}
	files, err := currentFiles(a.tx, other.ID)
	if err != nil {
		return nil, err
	}
	of := map[person]person{} // by the address as the other one keeps it
	var addresses []string
	for i := range rows {
		p := person{string(rows[i].Channel), rows[i].Address}
		if _, known := of[p]; known {
			continue
		}
		key, err := a.store.erasedKey(a.tx, rows[i].Channel)
		if err != nil {
			return nil, err
		}
		for _, address := range []string{p.address, key(p.address)} {
			of[person{p.channel, address}] = p
			addresses = append(addresses, address)
		}
	}
	found, err := a.store.recipientsAt(a.tx, `address`, addresses, numbersOf(files))
	if err != nil {
		return nil, err
	}
	out, err := a.reached(other, found, of)
	if err != nil || len(out) == 0 {
		return rows, err
	}
	var kept []coming
	for _, r := range rows {
		if !out[person{string(r.Channel), r.Address}] {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

// reached are those of a notice's recipients whom it was sent to, or will be.
func (a *adding) reached(other course, found []recipientRow, of map[person]person) (map[person]bool, error) {
	who, out := map[int64]person{}, map[person]bool{}
	var ids []int64
	for _, f := range found {
		id := int64(notifier.MakeDeliveryID(other.Event, notifier.RecipientReader(f.Place)))
		who[id] = of[person{f.Channel, f.Address}]
		out[who[id]] = !other.State.Final() // its turn comes
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return out, nil
	}
	in, arg := a.store.among(`id`, ids)
	var sent []struct {
		ID    int64
		State notifier.DeliveryState
	}
	if err := a.tx.Raw(`SELECT id, state FROM deliveries WHERE `+in, arg).Scan(&sent).Error; err != nil {
		return nil, fmt.Errorf("see whom the other notice was sent to: %w", err)
	}
	for _, d := range sent {
		state := other.shown(d.State)
		out[who[d.ID]] = !state.Final() || state == notifier.Sent || state == notifier.Bounced
	}
	return out, nil
}
