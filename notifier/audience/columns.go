package audience

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"allclear/notifier"
)

// role is what a column is for.
type role int

const (
	data     role = iota
	address       // of the reader
	channel       // by which they are told
	language      // BCP 47
	timezone      // IANA name
	account       // the other team's own name for the reader
	nameless      // has no name, and so may hold nothing
)

// routing are the columns that are no data, by role. Where a file has no
// column email, its column address is taken for it.
var routing = []string{address: "email", channel: "channel", language: "language", timezone: "timezone", account: "account"}

const (
	maxColumns = 1000
	maxName    = 1000 // bytes
)

// column is one column of the file.
type column struct {
	name   string // ours where there is one
	theirs string
	role   role
	holds  holds
}

// roleOf is what a column of that name of ours is for.
func roleOf(name string) role {
	if name == "" {
		return nameless
	}
	for r, word := range routing {
		if word != "" && strings.EqualFold(word, name) {
			return role(r)
		}
	}
	return data
}

// tidy makes one line of a name: spreadsheets break headers to make them narrow.
func tidy(name string) string { return strings.Join(strings.Fields(name), " ") }

// columnsOf understands a header. An error without a field is about the header's
// line.
func (o *Options) columnsOf(header []string) ([]column, *notifier.Invalid) {
	mapping := o.Map
	if len(header) > maxColumns {
		return nil, notifier.Invalidf("", "names %d columns; at most %d are allowed", len(header), maxColumns)
	}
	columns := make([]column, len(header))
	for i, name := range header {
		if len(name) > maxName {
			return nil, notifier.Invalidf("", "column %d: the name is longer than %d bytes", i+1, maxName)
		}
		name = tidy(name)
		if strings.IndexByte(name, '@') > 0 {
			return nil, notifier.Invalidf("", "column %d: %q looks like an address; the first line must name the columns", i+1, notifier.Clip(name))
		}
		columns[i] = column{name: name, theirs: name}
	}
	mapped := make([]bool, len(columns))
	for _, ours := range slices.Sorted(maps.Keys(mapping)) {
		i, bad := find(columns, ours, mapping[ours])
		if bad != nil {
			return nil, bad
		}
		if mapped[i] {
			return nil, notifier.Invalidf("map", "the column %q is mapped twice", notifier.Clip(columns[i].theirs))
		}
		columns[i].name, mapped[i] = ours, true
	}
	var has bool
	for i := range columns {
		columns[i].role = roleOf(columns[i].name)
		has = has || columns[i].role == address
	}
	for i := range columns {
		if !has && strings.EqualFold(columns[i].name, "address") {
			columns[i].role, has = address, true
		}
	}
	if bad := twice(columns, mapped); bad != nil {
		return nil, bad
	}
	if !has {
		return nil, o.noAddress(header)
	}
	if bad := o.either(columns); bad != nil {
		return nil, bad
	}
	return columns, o.know(columns)
}

// either refuses a file with a column email and a column address where nobody
// said which of them names the recipient.
func (o *Options) either(columns []column) *notifier.Invalid {
	email := slices.IndexFunc(columns, func(c column) bool { return c.role == address })
	other := slices.IndexFunc(columns, func(c column) bool { return c.role == data && strings.EqualFold(c.name, "address") })
	if other < 0 || o.Map["email"] != "" {
		return nil
	}
	return notifier.Invalidf("", "columns %d (%q) and %d (%q) may both name the recipient: %s, or %s and %s", email+1, notifier.Clip(columns[email].theirs),
		other+1, notifier.Clip(columns[other].theirs), mapTo("email", columns[email].theirs), mapTo("email", columns[other].theirs), strings.TrimPrefix(mapTo("other_email", columns[email].theirs), "write "))
}

// know settles what the columns hold.
func (o *Options) know(columns []column) *notifier.Invalid {
	for i := range columns {
		columns[i].holds = o.holdsOf(&columns[i])
	}
	for _, name := range o.Numbers {
		i, bad := find(columns, "", name)
		if j := slices.IndexFunc(columns, func(c column) bool { return strings.EqualFold(c.name, name) }); j >= 0 {
			i, bad = j, nil
		}
		switch {
		case bad != nil:
			return notifier.Invalidf("numbers", "%s", bad.Message)
		case columns[i].role != data || columns[i].holds == wording:
			return notAmount(name)
		}
	}
	return nil
}

func notAmount(name string) *notifier.Invalid {
	return notifier.Invalidf("numbers", "%q holds no amounts: it is printed as it stands, whatever it looks like", notifier.Clip(name))
}

// find is the column that the file calls theirs: written just so or, where
// there is none, in other case.
func find(columns []column, ours, theirs string) (int, *notifier.Invalid) {
	i := slices.IndexFunc(columns, func(c column) bool { return c.theirs == theirs })
	if i < 0 {
		i = slices.IndexFunc(columns, func(c column) bool { return strings.EqualFold(c.theirs, theirs) })
	}
	if i >= 0 {
		return i, nil
	}
	near, best := "", 0
	for _, c := range columns {
		if d := distance(strings.ToLower(theirs), strings.ToLower(c.theirs)); c.theirs != "" && (near == "" || d < best) {
			near, best = c.theirs, d
		}
	}
	if near == "" {
		return 0, notifier.Invalidf("map", "the file has no column %q", notifier.Clip(theirs))
	}
	if ours == "" {
		return 0, notifier.Invalidf("numbers", "the file has no column %q; the nearest is %q", notifier.Clip(theirs), notifier.Clip(near))
	}
	return 0, notifier.Invalidf("map", "the file has no column %q; the nearest is %q: %s", notifier.Clip(theirs), notifier.Clip(near), mapTo(ours, near))
}

// twice refuses names that stand there more than once: a template could not
// say which of the two it means.
func twice(columns []column, mapped []bool) *notifier.Invalid {
	first := map[string]int{}
	for i, c := range columns {
		if c.name == "" {
			continue
		}
		key := strings.ToLower(c.name)
		j, there := first[key]
		if !there {
			first[key] = i
			continue
		}
		if mapped[i] != mapped[j] {
			if mapped[i] {
				i, j = j, i
			}
			return notifier.Invalidf("", "column %d is called %q, which map gives to column %d (%q); give the other a name too: %s",
				i+1, notifier.Clip(columns[i].theirs), j+1, notifier.Clip(columns[j].theirs), mapTo("other_"+key, columns[i].theirs))
		}
		return notifier.Invalidf("", "columns %d and %d are both called %q; rename one of them", j+1, i+1, notifier.Clip(c.theirs))
	}
	return nil
}

// noAddress says which column is meant, or what the columns are; or that they
// are not told apart, as another delimiter stands between them.
func (o *Options) noAddress(header []string) *notifier.Invalid {
	var names []string
	for _, name := range header {
		if tidy(name) != "" {
			names = append(names, tidy(name))
		}
	}
	near := nearest(names)
	for _, name := range header {
		if len(header) > 1 && (o.Delimiter == 0 || near == "" || tidy(name) != near) {
			continue
		}
		if d := guessDelimiter([]byte(name)); strings.IndexByte(name, d) >= 0 {
			return notifier.Invalidf("", "there is no column email, but %q stands between names; write delimiter=%s", d, delimiterWord(d))
		}
	}
	if near != "" {
		return notifier.Invalidf("", "there is no column email; the nearest is %q: %s", notifier.Clip(near), mapTo("email", near))
	}
	return notifier.Invalidf("", "there is no column email; the columns are %s: write map=email: and the one that holds the address", notifier.Clip(strings.Join(names, ", ")))
}

func delimiterWord(d byte) string {
	for word, b := range delimiters {
		if b == d && len(word) > 2 {
			return word
		}
	}
	return string(rune(d))
}

// mapTo is what to write so that theirs is called ours.
func mapTo(ours, theirs string) string {
	plain := "write map=" + ours + ":" + theirs
	if escaped := escape(ours + ":" + theirs); escaped != ours+":"+theirs {
		plain += fmt.Sprintf(" (in a URL: map=%s)", escaped)
	}
	return plain
}
