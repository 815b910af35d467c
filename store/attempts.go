package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// attempt is one post to the endpoint of a reader.
type attempt struct {
	reader int64
	notifier.Attempt
}

// addAttempts writes attempts, by one statement. One that is there already stays.
func (s *Store) addAttempts(tx *gorm.DB, all []attempt) error {
	if len(all) == 0 {
		return nil
	}
	b := newBatch(len(all), "reader bigint", "at bigint", "delivery bigint", "status bigint", "took bigint", "answer text", "trouble text", "state text")
	for _, a := range all {
		answer, trouble, state := clipAnswer(a.Answer), notifier.Clip(a.Trouble), string(a.State)
		b.add(a.reader, micros(a.At), int64(a.Delivery), int64(between(a.Status, 0, 999)), a.Took.Microseconds(), &answer, &trouble, &state)
	}
	from, args := b.from(s)
	if err := tx.Exec(`INSERT INTO attempts (reader, at, delivery, status, took, answer, trouble, state)
		SELECT reader, at, delivery, status, took, answer, trouble, state FROM `+from+` WHERE true ON CONFLICT DO NOTHING`, args...).Error; err != nil {
		return fmt.Errorf("write attempts: %w", err)
	}
	return nil
}

// clipAnswer makes what an endpoint answered fit for both databases.
func clipAnswer(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
	if len(text) <= notifier.AnswerSize {
		return text
	}
	end := notifier.AnswerSize
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// Attempts returns a page of the posts to an endpoint, the newest first, and
// the cursor of the next one; "" is the end.
func (s *Store) Attempts(ctx context.Context, n subscribers.Number, page string, limit int) ([]notifier.Attempt, string, error) {
	limit = between(limit, 1, 200)
	query, args := `SELECT at, delivery, status, took, answer, trouble, state FROM attempts WHERE reader = ?`, []any{int64(n)}
	if page != "" {
		at, text, err := openCursor(page)
		delivery, bad := strconv.ParseInt(text, 10, 64)
		if err != nil || bad != nil {
			return nil, "", notifier.Invalidf("cursor", "is not one that a page of this list gave")
		}
		query, args = query+` AND (at, delivery) < (?, ?)`, append(args, at, delivery)
	}
	var rows []struct {
		At, Delivery, Took     int64
		Status                 int
		Answer, Trouble, State string
	}
	if err := s.conn(ctx).Raw(query+` ORDER BY at DESC, delivery DESC LIMIT ?`, append(args, limit+1)...).Scan(&rows).Error; err != nil {
		return nil, "", translate(fmt.Errorf("list attempts: %w", err))
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = cursor(rows[limit-1].At, strconv.FormatInt(rows[limit-1].Delivery, 10))
	}
	out := make([]notifier.Attempt, len(rows))
	events := map[int64]bool{}
	for i, r := range rows {
		out[i] = notifier.Attempt{
			Delivery: notifier.DeliveryID(r.Delivery), Type: notifier.EndpointTest, At: instant(r.At), Status: r.Status, Took: microseconds(r.Took),
			Answer: r.Answer, Trouble: r.Trouble, State: notifier.DeliveryState(r.State),
		}
		if r.Delivery > 0 {
			events[out[i].Delivery.Event()] = true
		}
	}
	about, err := s.subjectsOf(ctx, events)
	if err != nil {
		return nil, "", err
	}
	for i := range out {
		if out[i].Delivery > 0 {
			x := about[out[i].Delivery.Event()]
			out[i].Type, out[i].Title = x.Type, x.Title
		}
	}
	return out, next, s.addNext(ctx, out)
}

// addNext fills in when what did not get through is tried again, at the last try of each.
func (s *Store) addNext(ctx context.Context, all []notifier.Attempt) error {
	var ids []int64
	for _, a := range all {
		if a.Delivery > 0 && a.State != notifier.Sent {
			ids = append(ids, int64(a.Delivery))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	in, arg := s.among("id", ids)
	var found []struct{ ID, DueAt, TriedAt int64 }
	if err := s.conn(ctx).Raw(`SELECT id, due_at, tried_at FROM deliveries WHERE state IN ('pending', 'held') AND due_at < ? AND `+in, micros(notifier.UntilResumed), arg).
		Scan(&found).Error; err != nil {
		return translate(fmt.Errorf("read when attempts are repeated: %w", err))
	}
	for _, f := range found {
		for i := range all {
			if int64(all[i].Delivery) == f.ID && micros(all[i].At) == f.TriedAt {
				all[i].Next = instant(f.DueAt)
			}
		}
	}
	return nil
}

// eventSubject is what an event is about, for a list.
type eventSubject struct {
	Number int64
	Type   notifier.EventType
	Title  string
}

// subjectsOf reads what events are about, by number.
func (s *Store) subjectsOf(ctx context.Context, events map[int64]bool) (map[int64]eventSubject, error) {
	out := make(map[int64]eventSubject, len(events))
	if len(events) == 0 {
		return out, nil
	}
	numbers := make([]int64, 0, len(events))
	for n := range events {
		numbers = append(numbers, n)
	}
	in, arg := s.among("e.number", numbers)
	var found []eventSubject
	if err := s.conn(ctx).Raw(`SELECT e.number, e.type, coalesce(i.title, '') AS title FROM events AS e LEFT JOIN incidents AS i ON i.id = e.incident_id WHERE `+in, arg).Scan(&found).Error; err != nil {
		return nil, translate(fmt.Errorf("read what events are about: %w", err))
	}
	for _, f := range found {
		out[f.Number] = f
	}
	return out, nil
}

// pruneAttempts forgets at most max attempts that are older than a time, by
// endpoint: their key begins with it.
func (s *Store) pruneAttempts(tx *gorm.DB, before int64, max int) (n int, err error) {
	var readers []int64
	if err := tx.Raw(oldAttempts+` ORDER BY e.subscriber LIMIT ?`, before, pruneEvents).Scan(&readers).Error; err != nil {
		return 0, fmt.Errorf("look for old attempts: %w", err)
	}
	for _, reader := range readers {
		if n >= max {
			break
		}
		upTo := before
		var beyond []int64
		if err := tx.Raw(`SELECT at FROM attempts WHERE reader = ? AND at < ? ORDER BY at LIMIT 1 OFFSET ?`, reader, before, max-n).Scan(&beyond).Error; err != nil {
			return n, fmt.Errorf("look for old attempts: %w", err)
		}
		if len(beyond) > 0 {
			upTo = beyond[0] + 1 // of one instant all: there may be more of them than max
		}
		done := tx.Exec(`DELETE FROM attempts WHERE reader = ? AND at < ?`, reader, upTo)
		if done.Error != nil {
			return n, fmt.Errorf("forget attempts: %w", done.Error)
		}
		n += int(done.RowsAffected)
	}
	return n, nil
}

// oldAttempts are the endpoints that have attempts older than a time.
const oldAttempts = `SELECT e.subscriber FROM endpoints AS e WHERE EXISTS (SELECT 1 FROM attempts AS a WHERE a.reader = e.subscriber AND a.at < ?)`
