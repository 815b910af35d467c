package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// copyStep is how many recipients are copied at a time; each may have many rows.
const copyStep = 200

// addStep is how many rows are added in one transaction.
const addStep = 2000

// ExcludeNotice leaves everybody out of a draft's audience whom another notice
// was sent to, or is being sent to, by channel and address, and returns how
// many they are. Who failed there, or was left out there, stays. The audience
// is the old one until the new one is whole.
func (s *Store) ExcludeNotice(ctx context.Context, notice, other string) (removed int64, err error) {
	if notice == other {
		return 0, notifier.Invalidf("exclude_notice", "is the notice itself")
	}
	db := s.conn(ctx)
	before, err := takeNotice(db, notice)
	if err != nil {
		return 0, translate(err)
	}
	if err := before.mayChange(); err != nil {
		return 0, err
	}
	x := &exclusion{store: s}
	if x.other, err = takeNotice(db, other); err != nil {
		return 0, translate(err)
	}
	if x.files, err = currentFiles(db, other); err != nil {
		return 0, translate(err)
	}
	files, err := currentFiles(db, notice)
	if err != nil {
		return 0, translate(err)
	}
	if len(files) == 0 {
		return 0, notifier.Refuse(notifier.ErrConflict, "it has no audience yet")
	}
	after, err := s.rewrite(ctx, notice, files, x.keeps, before.WithoutAddress)
	if err != nil {
		return 0, err
	}
	return before.Recipients - after.Recipients, nil
}

// rewrite makes the audience anew of those whom keep keeps, with their rows.
func (s *Store) rewrite(ctx context.Context, notice string, files []audienceRow, keep func(*gorm.DB, []recipientRow) ([]recipientRow, error), withoutAddress int64) (notifier.Notice, error) {
	var edition int64
	err := s.write(ctx, func(_ context.Context, tx *gorm.DB) (err error) {
		edition, err = s.beginFile(tx, audienceRow{NoticeID: notice, Replaces: true, Base: files[len(files)-1].Number})
		return err
	})
	if err != nil {
		return notifier.Notice{}, err
	}
	kept, err := s.copyFiles(ctx, edition, files, keep)
	if err == nil && kept == 0 {
		err = notifier.Refuse(notifier.ErrConflict, "nobody would be left: the other notice was sent to everybody in the audience")
	}
	var out notifier.Notice
	if err == nil {
		out, err = s.FinishAudience(ctx, edition, withoutAddress, [32]byte{})
	}
	if err != nil {
		_ = s.DropAudience(context.WithoutCancel(ctx), edition) // what is left is swept up in a day
		return out, err
	}
	return out, nil
}

// copyFiles adds to an edition what files hold of those whom keep keeps, and
// their rejects, and returns how many recipients were kept.
func (s *Store) copyFiles(ctx context.Context, edition int64, files []audienceRow, keep func(*gorm.DB, []recipientRow) ([]recipientRow, error)) (kept int64, err error) {
	db := s.conn(ctx)
	for _, f := range files {
		for place, reject := f.First, f.FirstReject; ; {
			var people []recipientRow
			if err := db.Raw(`SELECT `+recipientColumns+` FROM recipients AS r WHERE r.audience = ? AND r.place > ? ORDER BY r.place LIMIT ?`, f.Number, place, copyStep).Scan(&people).Error; err != nil {
				return kept, translate(fmt.Errorf("copy an audience: %w", err))
			}
			var rejects []struct {
				Place, Line  int64
				Reason, Text string
			}
			if err := db.Raw(`SELECT place, line, reason, text FROM rejects WHERE audience = ? AND place > ? AND ? > 0 ORDER BY place LIMIT ?`, f.Number, reject, f.Rejected, addStep).Scan(&rejects).Error; err != nil {
				return kept, translate(fmt.Errorf("copy an audience: %w", err))
			}
			if len(people)+len(rejects) == 0 {
				break
			}
			var bad []notifier.Reject
			for _, r := range rejects {
				bad, reject = append(bad, notifier.Reject{Line: int(r.Line), Reason: r.Reason, Text: r.Text}), r.Place
			}
			if len(people) > 0 {
				place = people[len(people)-1].Place
			}
			if people, err = keep(db, people); err != nil {
				return kept, translate(err)
			}
			kept += int64(len(people))
			if err := s.addCopies(ctx, edition, files, people, bad); err != nil {
				return kept, err
			}
		}
	}
	return kept, nil
}

// addCopies adds recipients with their rows, no more rows at a time than any batch has.
func (s *Store) addCopies(ctx context.Context, edition int64, files []audienceRow, people []recipientRow, rejects []notifier.Reject) error {
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
			return false, s.AddToAudience(ctx, edition, full, nil)
		}); err != nil {
			return translate(err)
		}
	}
	return s.AddToAudience(ctx, edition, rows, rejects)
}

// exclusion is a notice whose recipients are left out of another.
type exclusion struct {
	store *Store
	other course
	files []audienceRow
}

// keeps are those of the people whom the other notice neither was nor will be sent to.
func (x *exclusion) keeps(db *gorm.DB, people []recipientRow) ([]recipientRow, error) {
	if x.other.Event == 0 {
		return people, nil
	}
	of := map[person]person{} // by the address as the other one keeps it
	var addresses []string
	for _, p := range people {
		key, err := x.store.erasedKey(db, notifier.Channel(p.Channel))
		if err != nil {
			return nil, err
		}
		for _, a := range []string{p.Address, key(p.Address)} {
			of[person{p.Channel, a}] = person{p.Channel, p.Address}
			addresses = append(addresses, a)
		}
	}
	found, err := x.store.recipientsAt(db, `address`, addresses, numbersOf(x.files))
	if err != nil {
		return nil, err
	}
	who, out := map[int64]person{}, map[person]bool{}
	var ids []int64
	for _, f := range found {
		id := int64(notifier.MakeDeliveryID(x.other.Event, notifier.RecipientReader(f.Place)))
		who[id] = of[person{f.Channel, f.Address}]
		out[who[id]] = !x.other.State.Final() // its turn comes
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		in, arg := x.store.among(`id`, ids)
		var sent []struct {
			ID    int64
			State notifier.DeliveryState
		}
		if err := db.Raw(`SELECT id, state FROM deliveries WHERE `+in, arg).Scan(&sent).Error; err != nil {
			return nil, fmt.Errorf("see whom the other notice was sent to: %w", err)
		}
		for _, d := range sent {
			state := x.other.shown(d.State)
			out[who[d.ID]] = !state.Final() || state == notifier.Sent || state == notifier.Bounced
		}
	}
	var kept []recipientRow
	for _, p := range people {
		if !out[person{p.Channel, p.Address}] {
			kept = append(kept, p)
		}
	}
	return kept, nil
}
