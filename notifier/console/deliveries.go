package console

import (
	"net/url"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/subscribers"
)

type deliveriesPage struct {
	Deliveries []notifier.Delivery
	Event      string
	State      notifier.DeliveryState
	Address    string
	States     []notifier.DeliveryState
	Next       string
	Here       string // address of this page, to come back to
}

func (c *console) deliveries(q *request) (answer, error) {
	v := q.URL.Query()
	want := notifier.DeliveryQuery{Event: v.Get("event"), State: notifier.DeliveryState(v.Get("state")), Cursor: v.Get("cursor"), Limit: perPage}
	p := deliveriesPage{Event: want.Event, State: want.State, Address: strings.TrimSpace(v.Get("address")), States: notifier.DeliveryStates, Here: q.URL.RequestURI()}
	if want.State != "" && !slices.Contains(notifier.DeliveryStates, want.State) {
		return answer{}, notifier.Invalidf("state", "%q is not the state of a delivery", notifier.Clip(string(want.State)))
	}
	if p.Address != "" {
		_, address, err := subscribers.ParseAny(p.Address)
		if err != nil {
			return answer{}, err
		}
		want.Address = address
	}
	found, cursor, err := c.o.Store.Deliveries(q.Context(), want)
	if err != nil {
		return answer{}, err
	}
	p.Deliveries, p.Next = found, nextPage(q, cursor)
	return answer{page: "deliveries", title: "Deliveries", data: p}, nil
}

func (c *console) retryDelivery(q *request) (answer, error) {
	id, err := notifier.ParseDeliveryID(q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{to: back(q, Path+"/deliveries", "retried")}, c.o.Store.RetryDelivery(q.Context(), id)
}

// back is the page that a button stood on, where its form says so, with a word
// about what was done.
func back(q *request, otherwise, done string) string {
	to := otherwise
	if from := inside(q.form.Get("back")); from != Path {
		to = from
	}
	u, err := url.Parse(to)
	if err != nil {
		return otherwise
	}
	v := u.Query()
	v.Set("done", done)
	u.RawQuery = v.Encode()
	return u.RequestURI()
}
