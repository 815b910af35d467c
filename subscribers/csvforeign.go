package subscribers

import (
	"slices"
	"strings"

	"allclear/notifier"
)

// foreign is a file that another program wrote or asks for.
type foreign struct {
	name    string
	marks   []string          // columns by which it is known
	names   map[string]string // what it calls our columns
	ignored []string          // columns that say nothing to us
	country bool              // its column country says where a number without + belongs
	states  map[string]State  // what its words for a state mean
}

// foreigners are the files of other programs that can be imported as they are:
// Statuspage's template, and what listmonk exports. Who of listmonk's is
// enabled is asked to confirm, as everyone whose consent the file does not
// show; who is disabled or on its blocklist is kept as one who left.
var foreigners = []foreign{
	{
		name: "Statuspage's", marks: []string{"type", "skip-confirm"}, names: map[string]string{"type": "channel", "skip-confirm": "state"}, country: true,
		states: map[string]State{"yes": Active, "true": Active, "no": "", "false": ""},
	},
	{
		name: "listmonk's", marks: []string{"email", "attributes"}, names: map[string]string{"status": "state"}, ignored: []string{"uuid", "name", "created_at", "updated_at", "attributes"},
		states: map[string]State{"enabled": "", "disabled": Unsubscribed, "blocklisted": Unsubscribed},
	},
}

// foreignFile is the program whose file has these columns; nil where it is ours.
func foreignFile(columns []string) *foreign {
	for i := range foreigners {
		if !slices.ContainsFunc(foreigners[i].marks, func(m string) bool { return !slices.Contains(columns, m) }) {
			return &foreigners[i]
		}
	}
	return nil
}

// Origin is whose file it is, for the evidence: Statuspage's, listmonk's or our own.
func (c *CSVReader) Origin() string {
	if c.from == nil {
		return "allclear's"
	}
	return c.from.name
}

// column is our name for one of its columns; "" for one that is passed over.
func (f *foreign) column(name string) string {
	switch {
	case f == nil:
	case slices.Contains(f.ignored, name):
		return ""
	case f.names[name] != "":
		return f.names[name]
	}
	if name == "email" {
		return "address"
	}
	return name
}

// state reads its word for a state; "" is our default.
func (f *foreign) state(word string) (State, *notifier.Invalid) {
	s, ok := f.states[word]
	if !ok && word != "" {
		var words []string
		for w := range f.states {
			words = append(words, w)
		}
		slices.Sort(words)
		return "", notifier.Invalidf("state", "%q is not one of %s", notifier.Clip(word), strings.Join(words, ", "))
	}
	return s, nil
}
