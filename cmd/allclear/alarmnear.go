package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"allclear/notifier"
)

// folderEvery is how often it is tried whether the state folder takes writes.
const folderEvery = 30 * time.Second

// shortOfTexts is what the text messages' sender says of the day's budget.
type shortOfTexts struct {
	mu           sync.Mutex
	codes, texts time.Time // until when there is nothing left
}

func (x *shortOfTexts) note(codes bool, until time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if codes {
		x.codes = until
		return
	}
	x.texts = until
}

func (x *shortOfTexts) troubles(now time.Time) []notifier.Trouble {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []notifier.Trouble
	if now.Before(x.texts) {
		out = append(out, notifier.Trouble{
			Key: "sms:budget", About: "sms:budget", Title: "The day's budget of text messages is used up", Ended: "a new day's budget of text messages has begun",
			Text: fmt.Sprintf("What is left waits until %s. `budget=` in ALLCLEAR_SMS is how many segments a day may cost.", stamp(x.texts)),
		})
	}
	if now.Before(x.codes) {
		out = append(out, notifier.Trouble{
			Key: "sms:codes", About: "sms:codes", Title: "What a day's budget of text messages has for codes is used up", Ended: "phones can be signed up again",
			Text: fmt.Sprintf("Nobody can sign a phone up until %s. Look whether somebody floods the form.", stamp(x.codes)),
		})
	}
	return out
}

// nearby finds the troubles of this process's machine, without the database.
type nearby struct {
	folder string
	now    func() time.Time
	next   time.Time
	since  time.Time // since when the folder takes no writes; zero: it does
	why    error
}

func newNearby(folder string, now func() time.Time) *nearby { return &nearby{folder: folder, now: now} }

func (n *nearby) look(context.Context) []notifier.Trouble {
	now := n.now()
	if !now.Before(n.next) || n.next.Sub(now) > folderEvery {
		n.next, n.why = now.Add(folderEvery), tryFolder(n.folder)
		switch {
		case n.why == nil:
			n.since = time.Time{}
		case n.since.IsZero():
			n.since = now
		}
	}
	if n.since.IsZero() || now.Sub(n.since) < folderEvery {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return []notifier.Trouble{{
		Key: "state:" + host, About: "state:" + host, Since: n.since,
		Title: "The state folder on " + host + " takes no writes", Ended: "the state folder on " + host + " takes writes again",
		Text: "Nothing is sent from there, because an acknowledgement that cannot be written down might be repeated; incidents are accepted. It said: " + plain(n.why) + ". Make room on its disk, or give the folder back to allclear's user; no restart is needed.",
	}}
}

// tryFolder writes as much as a block to a folder's disk, and takes it away again.
func tryFolder(folder string) error {
	f, err := os.CreateTemp(folder, "alarm.try*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}
