package audience

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	other := slices.IndexFunc(pairs, func(p pair) bool { return strings.EqualFold(p.column.name, "address") })
	switch {
	case to < 0:
		to = other
	case other >= 0 && r.o.Map["email"] == "":
		bad := notifier.Invalidf(place, "the keys %q and %q may both name the recipient: %s", pairs[to].column.theirs, pairs[other].column.theirs, mapTo("email", pairs[to].column.theirs))
		if first {
			return empty, bad
		}
		row.Reason = bad.Message
		return rejected, nil
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
	row.Fields = make([]notifier.Field, 0, len(pairs))
	for _, p := range pairs {
		if p.column.role == data {
			row.Fields = append(row.Fields, notifier.Field{Name: p.column.name, Text: p.text, Value: p.value})
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

// pairs reads one object. encoding/json says whether it is one, and then little
// is left to do: its Decoder takes several times as long over tokens, and a map
// would lose their order.
func (r *Reader) pairs(object []byte) ([]pair, string) {
	if !json.Valid(object) {
		return nil, notJSON(object)
	}
	if object[0] != '{' {
		return nil, "is not an object, from { to }"
	}
	r.rec.found |= hasControl // by an escape, which the scan did not see
	r.found = r.found[:0]
	rest := string(object)
	for rest = space(rest[1:]); rest[0] != '}'; {
		var name string
		name, rest = quoted(rest)
		p := pair{column: r.keyed(name)}
		rest = space(space(rest)[1:]) // the colon
		var reason string
		if rest, reason = r.value(&p, rest); reason != "" {
			return nil, key(name) + reason
		}
		switch {
		case p.column.role == nameless:
			return nil, "a key is empty"
		case len(r.found) == maxColumns:
			return nil, fmt.Sprintf("has more than %d keys", maxColumns)
		case slices.ContainsFunc(r.found, func(q pair) bool { return strings.EqualFold(q.column.name, p.column.name) }):
			return nil, key(name) + "stands there twice"
		}
		r.found = append(r.found, p)
		if rest = space(rest); rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
	return r.found, ""
}

// value takes the value that rest begins with, and returns what is behind it.
func (r *Reader) value(p *pair, rest string) (behind, reason string) {
	switch rest[0] {
	case '{', '[':
		return "", "holds a list or an object; only a string, a number, true, false or null can be used"
	case '"':
		p.text, rest = quoted(rest)
		p.text = strings.ReplaceAll(p.text, "\r\n", "\n")
		p.value = p.column.holds.typed(p.text, r.o.Zone)
		return rest, r.content(p.text)
	}
	end := strings.IndexAny(rest, ",} \t\r\n")
	word := rest[:end]
	switch word {
	case "null":
	case "true", "false":
		p.text = word
	default:
		if p.text = word; p.column.holds != numbers {
			break
		}
		digits := 0
		for _, c := range word {
			if c >= '0' && c <= '9' {
				digits++
			}
		}
		if n, err := strconv.ParseFloat(word, 64); err == nil && digits <= 15 {
			p.value = n
		}
	}
	return rest[end:], r.content(p.text)
}

// quoted reads the string that rest, which is JSON, begins with.
func quoted(rest string) (text, behind string) {
	end, escaped := 1, false
	for rest[end] != '"' {
		if rest[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	if text = rest[1:end]; escaped {
		_ = json.Unmarshal([]byte(rest[:end+1]), &text) // was found valid
	}
	return text, rest[end+1:]
}

// space passes over what JSON takes for space.
func space(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t' || s[0] == '\r' || s[0] == '\n') {
		s = s[1:]
	}
	return s
}

// keyed is the column of a key.
func (r *Reader) keyed(name string) column {
	if c, ok := r.keys[name]; ok {
		return c
	}
	name = strings.Clone(name) // and not the row that it came with
	c := column{name: tidy(name), theirs: tidy(name)}
	exact := false
	for ours, theirs := range r.o.Map {
		if c.theirs == theirs || !exact && strings.EqualFold(c.theirs, theirs) {
			c.name, exact = ours, c.theirs == theirs
		}
	}
	c.role, c.holds = roleOf(c.name), r.o.holdsOf(&c)
	if len(r.keys) < maxColumns && len(name) <= maxName {
		r.keys[name] = c
	}
	return c
}

func key(name string) string { return fmt.Sprintf("%q: ", notifier.Clip(name)) }

// notJSON says why it is none.
func notJSON(object []byte) string {
	var nothing json.RawMessage
	err := json.Unmarshal(object, &nothing)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(object)) && strings.Contains(err.Error(), "unexpected end"):
		return "is not JSON: the object is not closed on its line"
	case err != nil:
		return "is not JSON: " + notifier.Clip(err.Error())
	}
	return "is not JSON"
}
