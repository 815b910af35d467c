package store

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// forgetRecipients takes everything personal of somebody's addresses from all
// audiences, and from what notices sent to them. In the report a hash stands
// for each.
func (s *Store) forgetRecipients(tx *gorm.DB, channel notifier.Channel, addresses []string) error {
	if len(addresses) == 0 {
		return nil
	}
	keys, err := s.noticeKeys(tx, []notifier.Channel{channel}, addresses)
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		in, arg := s.among(`id`, keys)
		if err := tx.Exec(`UPDATE deliveries SET address = ?, language = '', timezone = '', reply = '', remote = '' WHERE `+in, nobody, arg).Error; err != nil {
			return fmt.Errorf("forget what notices sent: %w", err)
		}
	}
	var people []recipientRow
	if err := tx.Raw(`SELECT `+recipientColumns+` FROM recipients AS r WHERE r.address IN ? AND r.channel = ?`, addresses, string(channel)).Scan(&people).Error; err != nil {
		return fmt.Errorf("find a recipient: %w", err)
	}
	for _, p := range people {
		// Their rows may stand in files that were added later, too.
		if err := tx.Exec(`DELETE FROM recipient_rows WHERE place = ? AND audience IN (SELECT o.number FROM audiences AS a JOIN audiences AS o
			ON o.number = a.number OR a.state = 'current' AND a.notice_id <> '' AND o.notice_id = a.notice_id AND NOT o.replaces
				AND (o.state = 'current' AND o.number > a.number OR o.state = 'open' AND o.base >= a.number) WHERE a.number = ?)`, p.Place, p.Audience).Error; err != nil {
			return fmt.Errorf("forget a recipient's rows: %w", err)
		}
	}
	if len(people) > 0 {
		if err := s.hash(tx, people); err != nil {
			return fmt.Errorf("forget a recipient: %w", err)
		}
	}
	return nil
}

// rejectStep is how many rejected rows are looked through, and how many are
// emptied, at a time.
const rejectStep = 1000

// forgetReason is what is said of a rejected row that somebody erased was named in.
const forgetReason = "somebody that the row named was erased"

// forgetRejects empties the rejected rows that name an address, in any case of
// its letters, takes away those of it that were put aside, and returns how many.
// They are other people's files as they came, so that they are looked through
// one by one: without a transaction, in steps, and only what names the address
// is written.
func (s *Store) forgetRejects(ctx context.Context, address string) (n int, err error) {
	if n, err = s.forgetAside(ctx, address); err != nil {
		return n, err
	}
	var files []int64
	if err := s.conn(ctx).Raw(`SELECT number FROM audiences ORDER BY number`).Scan(&files).Error; err != nil {
		return 0, fmt.Errorf("forget rejected rows: %w", translate(err))
	}
	for _, file := range files {
		for after, more := int64(0), true; more; {
			var named []int64
			if named, after, more, err = s.rejectsNaming(ctx, file, after, strings.ToLower(address)); err != nil {
				return n, fmt.Errorf("look through rejected rows: %w", translate(err))
			}
			if len(named) == 0 {
				continue
			}
			if err := s.overwriting(ctx, func(tx *gorm.DB) error {
				in, arg := s.among(`place`, named)
				return tx.Exec(`UPDATE rejects SET reason = ?, text = '' WHERE audience = ? AND `+in, forgetReason, file, arg).Error
			}); err != nil {
				return n, fmt.Errorf("forget rejected rows: %w", err)
			}
			n += len(named)
		}
	}
	return n, nil
}

// rejectsNaming finds those of a file's next rejected rows that name an address,
// which is in lower case. Texts are long: one is in memory at a time.
func (s *Store) rejectsNaming(ctx context.Context, file, after int64, address string) (named []int64, last int64, more bool, err error) {
	rows, err := s.conn(ctx).Raw(`SELECT place, reason, text FROM rejects WHERE audience = ? AND place > ? ORDER BY place LIMIT ?`, file, after, rejectStep).Rows()
	if err != nil {
		return nil, after, false, err
	}
	defer func() { _ = rows.Close() }()
	seen := 0
	for last = after; rows.Next(); seen++ {
		var reason, text string
		if err := rows.Scan(&last, &reason, &text); err != nil {
			return nil, last, false, err
		}
		if names(strings.ToLower(text), address) || names(strings.ToLower(reason), address) {
			named = append(named, last)
		}
	}
	return named, last, seen == rejectStep, rows.Err()
}

// What makes an address that stands between them part of a longer one: letters,
// digits, and what joins them. The last letter of an escape in JSON is none.
var (
	joinsBefore = regexp.MustCompile(`[\pL\pN][._+-]*$`)
	joinsBehind = regexp.MustCompile(`^[._-]*[\pL\pN]`)
	jsonEscape  = regexp.MustCompile(`\\(?:[bfnrt]|u[0-9a-f]{4})$`)
)

// names reports whether an address stands in a text as a whole: joann@example.com
// is not ann@example.com, nor is ann@example.com.au. Both are in lower case.
func names(text, address string) bool {
	const near = 16 // bytes on either side that are looked at
	for at := 0; address != ""; {
		i := strings.Index(text[at:], address)
		if i < 0 {
			break
		}
		from, to := at+i, at+i+len(address)
		before, behind := text[max(0, from-near):from], text[to:min(len(text), to+near)]
		if !joinsBehind.MatchString(behind) && (!joinsBefore.MatchString(before) || jsonEscape.MatchString(before)) {
			return true
		}
		at = from + 1
	}
	return false
}
