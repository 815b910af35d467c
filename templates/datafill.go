package templates

import (
	"bytes"
	"encoding/json"
	"slices"
)

// What an incident is by its updates: with updates of one's own it is not the
// sample's, and is found from those.
var toldByUpdates = []string{"status", "state", "impact", "starts_at", "ends_at", "opened_at", "resolved_at"}

// fill gives the objects of a view's data what they leave out of its sample. Lists
// are taken as they are, and so are figures, which are known or not.
func (s *Set) fill(name string, given any) error {
	doc, ok := given.(*document)
	if !ok {
		return nil
	}
	text, err := s.SampleData(name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	sample, err := decode(d)
	if err != nil {
		return err
	}
	for i, field := range doc.names {
		within, ok := doc.values[i].(*document)
		if !ok || field == "components" { // names by key
			continue
		}
		theirs, ok := sample.(*document).value(field).(*document) //nolint:forcetypeassert // it is an object
		if !ok {
			continue
		}
		own := field == "incident" && slices.Contains(within.names, "updates")
		for k, at := range theirs.names {
			if !slices.Contains(within.names, at) && !(own && slices.Contains(toldByUpdates, at)) {
				within.add(at, theirs.values[k])
			}
		}
	}
	return nil
}

// value is that of a field; nil where there is none.
func (d *document) value(name string) any {
	if i := slices.Index(d.names, name); i >= 0 {
		return d.values[i]
	}
	return nil
}
