package console

import (
	"allclear/notifier"
	"allclear/subscribers"
)

type suppressionsPage struct {
	Found []subscribers.Suppression
	Next  string
	Here  string
}

func (c *console) suppressions(q *request) (answer, error) {
	found, cursor, err := c.o.Store.Suppressions(q.Context(), q.URL.Query().Get("cursor"), perPage)
	if err != nil {
		return answer{}, err
	}
	return answer{page: "suppressions", title: "Suppressions", data: suppressionsPage{Found: found, Next: nextPage(q, cursor), Here: q.URL.RequestURI()}}, nil
}

func (c *console) suppress(q *request) (answer, error) {
	channel, address, err := subscribers.ParseAny(q.form.Get("address"))
	if err != nil {
		return answer{}, err
	}
	note := q.form.Get("note")
	if notifier.Clip(note) != note {
		return answer{}, notifier.Invalidf("note", "holds a control character or is over 500 bytes")
	}
	err = c.o.Store.Suppress(q.Context(), subscribers.Suppression{Channel: channel, Address: address, Reason: subscribers.ReasonManual, Note: note})
	return answer{to: Path + "/suppressions?done=barred"}, err
}

// lift lets an address be written to again. Who asked to be forgotten stays so:
// their address is not known any more.
func (c *console) lift(q *request) (answer, error) {
	channel, address, err := subscribers.ParseAny(q.form.Get("address"))
	if err != nil {
		return answer{}, err
	}
	return answer{to: back(q, Path+"/suppressions", "lifted")}, c.o.Store.Unsuppress(q.Context(), channel, address)
}
