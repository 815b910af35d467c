package console

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"allclear/notifier"
)

// How a notice is followed: a look every second, for an hour at most, after
// which the browser asks again by itself.
const (
	lookEvery  = time.Second
	followTime = time.Hour
	writeTime  = 10 * time.Second
)

// followNotice tells a browser how a notice goes on, as server-sent events: the
// live part of its page, whenever it shows something else. It ends with the
// notice, and with the session.
func (c *console) followNotice(w http.ResponseWriter, q *request) error {
	id := q.PathValue("id")
	if _, err := c.o.Store.Notice(q.Context(), id); err != nil {
		return err
	}
	select {
	case c.live <- struct{}{}:
		defer func() { <-c.live }()
	default:
		return &notifier.TooOften{Wait: time.Minute}
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // proxies are to pass it on at once
	tick, over := time.NewTicker(lookEvery), time.After(followTime)
	defer tick.Stop()
	out := http.NewResponseController(w)
	for shown := []byte(nil); ; {
		fresh, ended, err := c.liveNotice(q, id)
		if err != nil {
			return nil // the answer has begun, and the browser asks again
		}
		_ = out.SetWriteDeadline(time.Now().Add(writeTime)) // where it cannot be set there is none
		switch {
		case !bytes.Equal(fresh, shown):
			shown = fresh
			_, err = fmt.Fprintf(w, "event: part\ndata: %s\n\n", bytes.ReplaceAll(fresh, []byte("\n"), []byte("\ndata: ")))
		default:
			_, err = fmt.Fprint(w, ": still the same\n\n")
		}
		if err == nil && ended {
			_, err = fmt.Fprint(w, "event: end\ndata: -\n\n")
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil || ended {
			return nil // the browser has gone
		}
		select {
		case <-q.Context().Done():
			return nil
		case <-over:
			return nil
		case <-tick.C:
		}
	}
}

// liveNotice renders the live part of a notice's page for a session that still stands.
func (c *console) liveNotice(q *request, id string) (part []byte, ended bool, err error) {
	if q.session, err = c.o.Store.SessionStill(q.Context(), sha256.Sum256([]byte(q.secret))); err != nil {
		return nil, false, err
	}
	n, err := c.o.Store.Notice(q.Context(), id)
	if err != nil {
		return nil, false, err
	}
	var p noticePage
	if err := c.fillNotice(q, n, &p); err != nil {
		return nil, false, err
	}
	var out bytes.Buffer
	err = c.views.part(&out, "notice", "live", c.frame(q, answer{data: &p}))
	return out.Bytes(), n.State.Final(), err
}
