package audience

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"allclear/notifier"
)

// object makes a row of a line of NDJSON: one flat object, whose keys are
// columns in the order in which they stand there.
func (r *Reader) object(row *Row) (kind, error) {
	text := bytes.TrimSpace(r.rec.text)
	if len(text) == 0 {
		return empty, nil
	}
	place := fmt.Sprintf("line %d", row.Line)
	first := r.at.Rows+r.at.Rejected+r.at.WithoutAddress == 0
	if first && (text[0] == '[' || string(text) == "{") {
		return empty, notifier.Invalidf(place, "begins a JSON document of several lines; NDJSON has one object on each line, from { to }")
	}
	pairs, reason := r.pairs(text)
	if reason != "" {
		row.Reason = reason
		return rejected, nil
	}
	to := slices.IndexFunc(pairs, func(p pair) bool { return p.column.role == address })
	if to < 0 {
		to = slices.IndexFunc(pairs, func(p pair) bool { return strings.EqualFold(p.column.name, "address") })
	}
	if to < 0 && first && r.o.Map["email"] == "" {
		var names []string
		for _, p := range pairs {
			names = append(names, p.column.theirs)
		}
		if near := nearest(names); near != "" {
			return empty, notifier.Invalidf(place, "there is no key email; the nearest is %q: %s (or map=email:email, where not every object has one)", notifier.Clip(near), mapTo("email", near))
		}
	}
	if to < 0 || strings.TrimSpace(pairs[to].text) == "" {
		return addressless, nil
	}
	pairs[to].column.role = address
	row.Fields = make([]Field, 0, len(pairs))
	for _, p := range pairs {
		if p.column.role == data {
			row.Fields = append(row.Fields, Field{p.column.name, p.text, p.value})
			continue
		}
		if reason := r.put(row, p.column, p.text); reason != "" {
			row.Reason = key(p.column.theirs) + reason
			return rejected, nil
		}
	}
	if reason := r.check(row); reason != "" {
		row.Reason = key(pairs[to].column.theirs) + reason
		return rejected, nil
	}
	return usable, nil
}

// pair is a key of an object with its value.
type pair struct {
	column column
	text   string
	value  any
}

// pairs reads one object.
func (r *Reader) pairs(text []byte) ([]pair, string) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	if t, err := in.Token(); err != nil {
		return nil, notJSON(err)
	} else if t != json.Delim('{') {
		return nil, "is not an object, from { to }"
	}
	var out []pair
	for in.More() {
		t, err := in.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		name, _ := t.(string)
		p := pair{column: r.keyed(name)}
		if t, err = in.Token(); err != nil {
			return nil, notJSON(err)
		}
		if reason := r.value(&p, t); reason != "" {
			return nil, key(name) + reason
		}
		switch {
		case p.column.role == nameless:
			return nil, "a key is empty"
		case len(out) == maxColumns:
			return nil, fmt.Sprintf("has more than %d keys", maxColumns)
		case slices.ContainsFunc(out, func(q pair) bool { return strings.EqualFold(q.column.name, p.column.name) }):
			return nil, key(name) + "stands there twice"
		}
		out = append(out, p)
	}
	if _, err := in.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, "something stands behind the object"
	}
	return out, ""
}

// value takes what a key has.
func (r *Reader) value(p *pair, t json.Token) string {
	switch v := t.(type) {
	case nil:
	case bool:
		p.text = strconv.FormatBool(v)
	case json.Number:
		p.text = v.String()
		digits := strings.Map(func(c rune) rune {
			if c < '0' || c > '9' {
				return -1
			}
			return c
		}, p.text)
		if n, err := v.Float64(); err == nil && len(digits) <= 15 {
			p.value = n
		}
	case string:
		r.rec.found |= hasControl // by an escape, which the scan did not see
		p.text = strings.ReplaceAll(v, "\r\n", "\n")
		p.value = typed(p.text, r.o.Zone, false)
	default:
		return "holds a list or an object; only a string, a number, true, false or null can be used"
	}
	return r.content(p.text)
}

// keyed is the column of a key.
func (r *Reader) keyed(name string) column {
	if c, ok := r.keys[name]; ok {
		return c
	}
	c := column{name: tidy(name), theirs: tidy(name)}
	exact := false
	for ours, theirs := range r.o.Map {
		if c.theirs == theirs || !exact && strings.EqualFold(c.theirs, theirs) {
			c.name, exact = ours, c.theirs == theirs
		}
	}
	c.role = roleOf(c.name)
	if len(r.keys) < maxColumns && len(name) <= maxName {
		r.keys[name] = c
	}
	return c
}

func key(name string) string { return fmt.Sprintf("%q: ", notifier.Clip(name)) }

func notJSON(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "is not JSON: the object is not closed on its line"
	}
	return "is not JSON: " + notifier.Clip(err.Error())
}
