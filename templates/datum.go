package templates

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// datum is a value of a JSON document and where it stands there, so that what is
// wrong with it can be named: incident.updates[1].at.
type datum struct {
	at string
	v  any
}

func (p datum) wrong(format string, args ...any) error {
	at := p.at
	if at == "" {
		at = "data"
	}
	return notifier.Invalidf(at, format, args...)
}

// decode reads one JSON value; objects keep the order of their fields.
func decode(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	out, list := &document{}, []any{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			out.add(name.(string), v) //nolint:forcetypeassert // JSON has no other names
			continue
		}
		v, err := decode(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if open == '{' {
		return out, nil
	}
	return list, nil
}

// kindOf is what a value is, in JSON's words.
func (p datum) kindOf() string {
	switch p.v.(type) {
	case nil:
		return "null"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

// object is the fields of an object; nil of null. A field that is not known is an error.
func (p datum) object(known ...string) (map[string]datum, error) {
	if p.v == nil {
		return map[string]datum{}, nil
	}
	m, ok := p.v.(*document)
	if !ok {
		return nil, p.wrong("is %s; it must be an object", p.kindOf())
	}
	out := map[string]datum{}
	for i, name := range m.names {
		v := m.values[i]
		at := name
		if p.at != "" {
			at = p.at + "." + name
		}
		field := datum{at, v}
		if known != nil && !slices.Contains(known, name) {
			hint := "; there are " + strings.Join(known, ", ")
			if n := nearest(name, known); n != "" {
				hint = "; did you mean " + n + "?"
			}
			return nil, field.wrong("there is no such field%s", hint)
		}
		if _, twice := out[name]; twice {
			return nil, field.wrong("stands there twice")
		}
		out[name] = field
	}
	return out, nil
}

// list is the values of a list; none of null.
func (p datum) list() ([]datum, error) {
	if p.v == nil {
		return nil, nil
	}
	l, ok := p.v.([]any)
	if !ok {
		return nil, p.wrong("is %s; it must be a list", p.kindOf())
	}
	out := make([]datum, len(l))
	for i, v := range l {
		out[i] = datum{fmt.Sprintf("%s[%d]", p.at, i), v}
	}
	return out, nil
}

func (p datum) text() (string, error) {
	if p.v == nil {
		return "", nil
	}
	s, ok := p.v.(string)
	if !ok {
		return "", p.wrong("is %s; it must be a text", p.kindOf())
	}
	return s, nil
}

// oneOf is a text that must be one of some; "" where it is not there.
func (p datum) oneOf(of ...string) (string, error) {
	s, err := p.text()
	if err == nil && s != "" && !slices.Contains(of, s) {
		return "", p.wrong("%q is not one of %s", notifier.Clip(s), strings.Join(of, ", "))
	}
	return s, err
}

func (p datum) when() (time.Time, error) {
	s, err := p.text()
	if err != nil || s == "" {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, p.wrong("%q is no time; write it as 2026-11-23T16:11:00Z", notifier.Clip(s))
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

func (p datum) count(most int64) (int, error) {
	if p.v == nil {
		return 0, nil
	}
	n, ok := p.v.(json.Number)
	if !ok {
		return 0, p.wrong("is %s; it must be a number", p.kindOf())
	}
	i, err := n.Int64()
	if err != nil || i < 0 || i > most {
		return 0, p.wrong("%s is not between 0 and %d", n, most)
	}
	return int(i), nil
}

func (p datum) figure() (*float64, error) {
	if p.v == nil {
		return nil, nil //nolint:nilnil // a figure that is not known
	}
	n, ok := p.v.(json.Number)
	if !ok {
		return nil, p.wrong("is %s; it must be a number", p.kindOf())
	}
	f, err := n.Float64()
	if err != nil || f < 0 {
		return nil, p.wrong("%s is no such number", n)
	}
	return &f, nil
}

func (p datum) texts() ([]string, error) {
	l, err := p.list()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, x := range l {
		s, err := x.text()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// reading collects the first error of many fields.
type reading struct{ err error }

func take[T any](r *reading, v T, err error) T {
	if r.err == nil {
		r.err = err
	}
	return v
}
