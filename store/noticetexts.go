package store

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"gorm.io/gorm"

	"allclear/notifier"
)

// noticeTexts keeps what the texts are called that notices are written by, so
// that edits are read again only where one changed.
type noticeTexts struct {
	mu   sync.Mutex
	of   string // what follows was made of
	name string
}

// SetNoticeTexts tells which texts notices are written by where none is edited:
// those embedded, and over them the service's folder. Whoever sends does so when
// it starts, and never else; what was agreed to by others is void then.
func (s *Store) SetNoticeTexts(ctx context.Context, texts notifier.NoticeTexts) error {
	name := texts.String()
	read := func(db *gorm.DB) (was string, err error) {
		err = db.Raw(`SELECT coalesce((SELECT name FROM notice_texts), '')`).Scan(&was).Error
		return was, err
	}
	// Where nothing changes, nothing is written: a service starts on a database
	// that takes no writes, too.
	if was, err := read(s.conn(ctx)); err != nil || was == name {
		return wrapped("read what notices are written by", translate(err))
	}
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		was, err := read(tx)
		if err != nil || was == name {
			return wrapped("read what notices are written by", err)
		}
		if err := tx.Exec(`INSERT INTO notice_texts (one, name, set_at) VALUES (1, ?, ?)
			ON CONFLICT (one) DO UPDATE SET name = excluded.name, set_at = excluded.set_at`, name, micros(s.Now())).Error; err != nil || was == "" {
			return wrapped("write what notices are written by", err)
		}
		return s.audit(ctx, tx, "notice.texts", notifier.HashTemplate(name), "other: "+strings.Join(texts.Over(notifier.ReadNoticeTexts(was)), " "))
	})
}

// word tells a notice by which texts it would be written now. Of one that has
// not begun, what others agreed to by other texts falls.
func (s *Store) word(db *gorm.DB, c *course) error {
	texts, err := s.textsNow(db)
	if err == nil {
		c.wordedBy(texts)
	}
	return err
}

func (c *course) wordedBy(texts string) {
	if c.Texts = texts; !c.State.Begun() {
		c.Approved = c.Standing()
	}
}

// textsNow names the texts that notices are written by: what the services said,
// and what was edited; "" where no service said anything yet.
func (s *Store) textsNow(db *gorm.DB) (string, error) {
	var now struct {
		Name     string
		Revision int64
	}
	if err := db.Session(&gorm.Session{NewDB: true}).Raw(`SELECT coalesce((SELECT name FROM notice_texts), '') AS name, (SELECT value FROM counters WHERE name = 'templates') AS revision`).Scan(&now).Error; err != nil {
		return "", fmt.Errorf("see what notices are written by: %w", err)
	}
	if now.Name == "" {
		return "", nil
	}
	t, of := &s.texts, fmt.Sprint(now)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == of {
		return t.name, nil
	}
	var edits []templateRow
	if err := db.Session(&gorm.Session{NewDB: true}).Raw(`SELECT name, body FROM templates ORDER BY name`).Scan(&edits).Error; err != nil {
		return "", fmt.Errorf("read the edited templates: %w", err)
	}
	texts := notifier.ReadNoticeTexts(now.Name)
	for _, e := range edits {
		if !notifier.WritesNotices(e.Name) {
			continue
		}
		if edit := notifier.MakeNoticeText(e.Name, e.Body); edit.Hash != texts[e.Name].Hash {
			texts[e.Name] = notifier.NoticeText{Hash: edit.Hash, Chosen: true}
		}
	}
	t.of, t.name = of, texts.String()
	return t.name, nil
}

// reworded is why a notice that is going out halts: its texts are not those that
// others agreed to.
const reworded = "the templates that it is written by were changed since it was approved; preview it, have it approved anew, then resume it; or cancel it"
