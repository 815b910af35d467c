package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"time"

	"allclear/notifier"
)

// embeddedOnly is this set without any text that is not embedded: what is used
// where one of those cannot be.
func (s *Set) embeddedOnly() (*Set, error) {
	o := s.options
	o.Overrides, o.Edits, o.Broken = nil, nil, nil
	return New(o)
}

// surely writes a letter. Where a text that is not embedded cannot be used for
// it, whatever samples it was tried with, the embedded ones are: an incident's
// mail goes out. An error is the content's own, which no text can be written for.
func (s *Set) surely(view string, write func(*Set) (*notifier.Letter, error)) (*notifier.Letter, error) {
	l, err := caught(func() (*notifier.Letter, error) { return write(s) })
	if err == nil || s.edition == "" {
		return l, err
	}
	spare, none := s.spare()
	if none != nil {
		return nil, err
	}
	l, none = caught(func() (*notifier.Letter, error) { return write(spare) })
	if none != nil {
		return nil, err
	}
	s.broken(view, err)
	return l, nil
}

func (s *Set) broken(view string, err error) {
	if s.options.Broken != nil {
		s.options.Broken(view, err)
	}
}

// caught turns a panic of a view into an error.
func caught[T any](do func() (T, error)) (out T, err error) {
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("panic: %v", what)
		}
	}()
	return do()
}

// as is c for another set's catalogue.
func (c circumstances) as(s *Set) circumstances {
	c.times = c.times.as(s)
	return c
}

func (p Times) as(s *Set) Times { return Times{cat: s.languages.find(p.cat.code), zone: p.zone} }

// sound writes the letter of an announcement, and from the embedded texts where
// others lost what it must not be without.
func (s *Set) sound(story notifier.Story, c circumstances, finger string) (*notifier.Letter, error) {
	return s.surely(c.view.name, func(s *Set) (*notifier.Letter, error) {
		l, err := s.letter(story, c.as(s), finger)
		if err == nil && s.edition != "" && l.HTML != "" {
			err = s.checkLink(c.view, l)
		}
		return l, err
	})
}

// soundNotice is prepareNotice, from the embedded texts where others cannot be
// used or lost what a notice must not be without.
func (s *Set) soundNotice(n notifier.Notice, times Times) (*notice, error) {
	prepare := func(s *Set) (*notice, error) {
		return caught(func() (*notice, error) {
			made, err := s.prepareNotice(n, times.as(s))
			if err == nil && s.edition != "" {
				err = made.check()
			}
			return made, err
		})
	}
	made, err := prepare(s)
	if err == nil || s.edition == "" {
		return made, err
	}
	spare, none := s.spare()
	if none != nil {
		return nil, err
	}
	if made, none = prepare(spare); none != nil {
		return nil, err // what staff wrote, then
	}
	s.broken(n.Template, err)
	return made, nil
}

// rows writes the table of a recipient's rows.
func (n *notice) rows(t noticeTable) (template.HTML, error) {
	write := func(s *Set) (template.HTML, error) {
		return caught(func() (template.HTML, error) {
			var out bytes.Buffer
			if err := s.mails[noticeFile].ExecuteTemplate(&out, "rows", t); err != nil {
				return "", trouble(err)
			}
			return template.HTML(out.String()), nil //nolint:gosec // escaped by the template
		})
	}
	table, err := write(n.set)
	if err == nil || n.set.edition == "" || n.tried {
		return table, err
	}
	spare, none := n.set.spare()
	if none != nil {
		return "", err
	}
	if table, none = write(spare); none != nil {
		return "", err
	}
	n.set.broken(n.template, err)
	return table, nil
}

// surely writes a page, from the embedded texts where others cannot be used.
func (p *Pages) surely(w io.Writer, name, lang string, data any, now time.Time) error {
	if p.set.edition == "" {
		return p.render(w, name, lang, data, now)
	}
	page := func(p *Pages) ([]byte, error) {
		return caught(func() ([]byte, error) {
			var out bytes.Buffer
			err := p.render(&out, name, lang, data, now)
			return out.Bytes(), err
		})
	}
	body, err := page(p)
	if err != nil {
		spare, none := p.set.spare()
		if none != nil {
			return err
		}
		if body, none = page(spare.pages); none != nil {
			return err
		}
		p.set.broken("page/"+name, err)
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write page %s: %w", name, err)
	}
	return nil
}
