package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// ImportSubscribers writes a batch in one transaction and tells each row's fate
// or error; a wrong row does not keep the others out. Overwriting replaces the
// choices of those who are there already. Their state stays, but for one
// direction: a file can end a subscription, and it can never bring back an
// address that left or is suppressed.
func (s *Store) ImportSubscribers(ctx context.Context, batch []subscribers.Subscriber, overwrite []string) ([]subscribers.Imported, []error, error) {
	var in *intake
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		in = &intake{store: s, tx: tx, overwrite: overwrite, fates: make([]subscribers.Imported, len(batch)), errs: make([]error, len(batch))}
		if err := in.run(ctx, batch); err != nil {
			return err
		}
		return s.audit(ctx, tx, "subscriber.import", "", in.summary())
	})
	if err != nil {
		return nil, nil, err
	}
	return in.fates, in.errs, nil
}

// intake is one batch on its way in.
type intake struct {
	store     *Store
	tx        *gorm.DB
	overwrite []string        // columns; nil is none
	known     map[string]bool // components
	fates     []subscribers.Imported
	errs      []error
	added     []subscribers.Subscriber
}

func (in *intake) run(ctx context.Context, batch []subscribers.Subscriber) error {
	in.known = map[string]bool{}
	var keys []string
	if err := in.tx.Raw(`SELECT key FROM components`).Scan(&keys).Error; err != nil {
		return fmt.Errorf("list components: %w", err)
	}
	for _, k := range keys {
		in.known[k] = true
	}
	if in.overwrite != nil {
		if err := in.endLeaving(ctx, batch); err != nil {
			return err
		}
	}
	names := func(who subscribers.Subscriber) bool { return who.Second.Address != "" }
	if slices.ContainsFunc(batch, names) { // which are written next, and keep the fan-out out
		if err := in.store.lockFanout(in.tx, false); err != nil {
			return err
		}
	}
	// From here on nobody else adds one.
	last, err := next(in.tx, "subscriber", 0)
	if err != nil {
		return err
	}
	for channel, places := range byChannel(batch) {
		addresses := make([]string, len(places))
		for i, p := range places {
			addresses[i] = batch[p].Address
		}
		barred, err := suppressed(in.tx, channel, addresses)
		if err != nil {
			return err
		}
		gone, err := in.store.erased(in.tx, channel, addresses)
		if err != nil {
			return err
		}
		there, err := subscribersAt(in.tx, channel, addresses)
		if err != nil {
			return err
		}
		for _, p := range places {
			who := batch[p]
			in.store.stamp(&who)
			if err := in.take(ctx, p, who, barred[who.Address], gone[who.Address], there, last); err != nil {
				return err
			}
		}
	}
	if n := int64(len(in.added)); n > 0 {
		if _, err := next(in.tx, "subscriber", n); err != nil {
			return err
		}
	}
	return in.store.addSubscribers(in.tx, in.added)
}

// keepOut keeps the fan-out out, before anything is locked, where somebody who
// is added names a second address, which is written next, or has been one.
func (s *Store) keepOut(tx *gorm.DB, who *subscribers.Subscriber) error {
	needs := who.Second.Address != ""
	who.Second = subscribers.Second{}
	if !needs {
		if err := tx.Raw(`SELECT EXISTS (SELECT 1 FROM subscribers WHERE channel = ? AND address = ? AND second_of > 0 AND state = 'active')`,
			string(who.Channel), who.Address).Scan(&needs).Error; err != nil {
			return fmt.Errorf("look for a second address: %w", err)
		}
	}
	if !needs {
		return nil
	}
	return s.lockFanout(tx, false)
}

// take decides about one row. gone: its owner asked to be forgotten, which bars
// them until they come back by themselves.
func (in *intake) take(ctx context.Context, place int, who subscribers.Subscriber, barred, gone bool, there map[string]subscriberRow, last int64) error {
	if i := in.unknown(who); i >= 0 {
		in.errs[place] = notifier.Invalidf("components", "there is no component %q", who.Filter.Components[i])
		return nil
	}
	was, ok := there[who.Address]
	if barred || gone && !ok {
		in.fates[place] = subscribers.ImportSuppressed
		return nil
	}
	if !ok {
		who.Number = subscribers.Number(last + int64(len(in.added)) + 1)
		in.added = append(in.added, who)
		there[who.Address] = rowOfSubscriber(who)
		in.fates[place] = subscribers.ImportAdded
		return nil
	}
	in.fates[place] = subscribers.ImportUnchanged
	if is := was.subscriber(); in.overwrite != nil && who.State == subscribers.Unsubscribed && is.EndedWithFirst() { // for good, now
		is.Depart("", who.Unsubscribed)
		in.fates[place], there[who.Address] = subscribers.ImportChanged, rowOfSubscriber(is)
		return in.store.rewriteSubscriber(in.tx, was, is)
	}
	if in.overwrite == nil || was.State == string(subscribers.Unsubscribed) || was.SecondOf > 0 && who.State != subscribers.Unsubscribed {
		return nil
	}
	in.fates[place] = subscribers.ImportChanged
	is := was.subscriber()
	if was.SecondOf > 0 { // what it is told is its first's to choose
		is.State, is.Unsubscribed, is.Left = who.State, who.Unsubscribed, subscribers.Leave{}
		there[who.Address] = rowOfSubscriber(is)
		return in.store.rewriteSubscriber(in.tx, was, is)
	}
	is.Overwrite(who, in.overwrite)
	if err := is.Validate(); err != nil { // what the file leaves as it was may not go with what it says
		in.fates[place], in.errs[place] = subscribers.ImportUnchanged, err
		return nil //nolint:nilerr // the row's
	}
	if who.State == subscribers.Unsubscribed {
		is.State, is.Unsubscribed, is.Left = who.State, who.Unsubscribed, subscribers.Leave{}
	}
	there[who.Address] = rowOfSubscriber(is)
	if i := was.Number - last - 1; i >= 0 { // stands in the batch twice, not written yet
		in.added[i] = is
		return nil
	}
	if err := in.store.rewriteSubscriber(in.tx, was, is); err != nil || is.State != subscribers.Unsubscribed {
		return err
	}
	return in.store.endSecond(ctx, in.tx, is.Number)
}

// unknown is the place of the first chosen component that does not exist; -1 if all do.
func (in *intake) unknown(who subscribers.Subscriber) int {
	return slices.IndexFunc(who.Filter.Components, func(k string) bool { return !in.known[k] })
}

// endLeaving ends what is open for those whom the file ends, before any row is locked.
func (in *intake) endLeaving(ctx context.Context, batch []subscribers.Subscriber) error {
	for _, who := range batch {
		if who.State != subscribers.Unsubscribed || in.unknown(who) >= 0 {
			continue
		}
		if err := in.store.withdraw(ctx, in.tx, who.Channel, who.Address, true); err != nil {
			return err
		}
	}
	return nil
}

func (in *intake) summary() string {
	count := map[subscribers.Imported]int{}
	for i, f := range in.fates {
		if in.errs[i] == nil {
			count[f]++
		}
	}
	return fmt.Sprintf("%d rows: %d added, %d changed, %d unchanged, %d suppressed", len(in.fates),
		count[subscribers.ImportAdded], count[subscribers.ImportChanged], count[subscribers.ImportUnchanged], count[subscribers.ImportSuppressed])
}

// byChannel lists the places of each channel's rows, in their order.
func byChannel(batch []subscribers.Subscriber) map[notifier.Channel][]int {
	out := map[notifier.Channel][]int{}
	for i, s := range batch {
		out[s.Channel] = append(out[s.Channel], i)
	}
	return out
}

// KeepImported keeps by what words those who have these addresses agreed
// somewhere else, for as long as they are subscribers.
func (s *Store) KeepImported(ctx context.Context, channel notifier.Channel, addresses []string, c subscribers.Consent) error {
	return s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		version, err := keepWords(tx, c)
		if err != nil {
			return err
		}
		const kept = `INSERT INTO consents (subscriber, at, step, version, network) SELECT r.number, CAST(? AS bigint), CAST(? AS text), CAST(? AS text), ''`
		for part := range slices.Chunk(addresses, 500) {
			from, args := ` FROM subscribers AS r WHERE r.channel = ? AND r.address IN ?`, []any{string(channel), part}
			if s.dialect == postgres { // each by itself, as in present
				from, args = ` FROM unnest(CAST(? AS text[])) AS a(address)
					CROSS JOIN LATERAL (SELECT t.number FROM subscribers AS t WHERE t.channel = ? AND t.address = a.address LIMIT 1) AS r`, []any{&part, string(channel)}
			}
			if err := tx.Exec(kept+from+` ON CONFLICT DO NOTHING`, append([]any{micros(s.Now()), subscribers.StepConfirmed, version}, args...)...).Error; err != nil {
				return fmt.Errorf("keep how imported subscribers agreed: %w", err)
			}
		}
		return nil
	})
}
