package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"allclear/notifier"
	"allclear/store"
)

// reportJSON is what --json prints. Times are milliseconds from the acceptance
// of an event to the relay's acknowledgement, over all mails; rate is mails a
// second from the first acceptance to the last acknowledgement. The DKIM figures
// count signatures, and are null where the mails went to another relay.
type reportJSON struct {
	Subscribers int64   `json:"subscribers"`
	Deliveries  int64   `json:"deliveries"`
	Sent        int64   `json:"sent"`
	Failed      int64   `json:"failed"`
	Superseded  int64   `json:"superseded"`
	DKIMPass    *int64  `json:"dkim_pass"`
	DKIMFail    *int64  `json:"dkim_fail"`
	FirstMS     float64 `json:"first_ms"`
	P50MS       float64 `json:"p50_ms"`
	P99MS       float64 `json:"p99_ms"`
	LastMS      float64 `json:"last_ms"`
	Rate        float64 `json:"rate"`

	// What went to programs and phones; all above is mail.
	Webhooks webhooksJSON `json:"webhooks"`
	Texts    textsJSON    `json:"texts"`
}

// webhooksJSON counts posts, and those whose signatures hold and do not.
type webhooksJSON struct {
	Posts int64 `json:"posts"`
	Pass  int64 `json:"pass"`
	Fail  int64 `json:"fail"`
}

type textsJSON struct {
	Sent int64 `json:"sent"`
}

type report struct {
	json  reportJSON
	Sent  int64
	open  int64 // deliveries that are neither sent, superseded nor failed
	mails int64 // that were inspected
	first time.Time
	doors map[string]map[notifier.DeliveryState]int64 // by event, what was no mail
	texts []string
}

// makeReport counts every delivery of what was told, one by one.
func makeReport(ctx context.Context, db *store.Store, followers int64, all []told) (*report, error) {
	r := &report{json: reportJSON{Subscribers: followers}, doors: map[string]map[notifier.DeliveryState]int64{}}
	var took []time.Duration
	var begin, end time.Time
	for _, t := range all {
		if at := t.progress.Event.AcceptedAt; begin.IsZero() || at.Before(begin) {
			begin = at
		}
		err := eachDelivery(ctx, db, notifier.DeliveryQuery{Event: t.progress.Event.ID}, func(d notifier.Delivery) error {
			if d.Channel != notifier.Email {
				of := r.doors[t.progress.Event.ID]
				if of == nil {
					of = map[notifier.DeliveryState]int64{}
					r.doors[t.progress.Event.ID] = of
				}
				if of[d.State]++; d.State == notifier.Failed || !d.State.Final() {
					r.open++
				}
				return nil
			}
			r.json.Deliveries++
			switch d.State {
			case notifier.Sent:
				r.json.Sent++
				took = append(took, d.SentAt.Sub(d.AcceptedAt))
				if d.SentAt.After(end) {
					end = d.SentAt
				}
				if r.first.IsZero() || d.SentAt.Before(r.first) {
					r.first = d.SentAt
				}
			case notifier.Superseded:
				r.json.Superseded++
			case notifier.Failed:
				r.json.Failed++
			default:
				r.open++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	r.Sent = r.json.Sent
	if len(took) == 0 {
		return r, nil
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(int(share*float64(len(took))), len(took)-1)].Microseconds()) / 1000
	}
	r.json.FirstMS, r.json.P50MS, r.json.P99MS, r.json.LastMS = at(0), at(.50), at(.99), at(1)
	if span := end.Sub(begin).Seconds(); span > 0 {
		r.json.Rate = float64(int64(float64(r.Sent)/span*10)) / 10
	}
	return r, nil
}

// checked takes over what the inspection found.
func (r *report) checked(i *inspection) {
	if i.box == nil {
		return
	}
	r.json.DKIMPass, r.json.DKIMFail, r.mails = &i.pass, &i.fail, i.mails
}

// good: every delivery was sent or superseded, and every signature holds.
func (r *report) good() bool {
	return r.json.Failed == 0 && r.open == 0 && (r.json.DKIMFail == nil || *r.json.DKIMFail == 0 && r.mails == r.Sent) && r.json.Webhooks.Fail == 0
}

func (r *report) print(w io.Writer, all []told, began time.Time) error {
	t := newTable("what", ">sent", ">superseded", ">failed", ">first", ">50 %", ">99 %", ">last")
	for _, x := range all {
		p := x.progress
		since := func(at time.Time) string {
			if at.IsZero() {
				return "-"
			}
			return seconds(at.Sub(p.Event.AcceptedAt).Seconds())
		}
		mails := func(s notifier.DeliveryState) string { return count(p.Counts[s] - r.doors[p.Event.ID][s]) }
		t.add(x.name, mails(notifier.Sent), mails(notifier.Superseded), mails(notifier.Failed),
			since(p.FirstSentAt), since(p.P50SentAt), since(p.P99SentAt), since(p.LastSentAt))
	}
	j := r.json
	t.add("together", count(j.Sent), count(j.Superseded), count(j.Failed), seconds(j.FirstMS/1000), seconds(j.P50MS/1000), seconds(j.P99MS/1000), seconds(j.LastMS/1000))
	if err := t.print(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if j.Superseded > 0 {
		fmt.Fprintf(w, "superseded  the first mail had not left when the update came: one with both went\n")
	}
	if possible := j.Subscribers * int64(len(all)); possible > j.Deliveries {
		fmt.Fprintf(w, "not wanted  %s of %s: the readers' own choices let an update pass by\n", count(possible-j.Deliveries), plural(possible, "mail"))
	}
	if j.DKIMPass == nil {
		fmt.Fprintf(w, "DKIM        not checked here: the mails went to the relay you named\n")
	} else {
		fmt.Fprintf(w, "DKIM        %s signatures hold, %s fail (%s mails, two keys each)\n", count(*j.DKIMPass), count(*j.DKIMFail), count(r.mails))
	}
	if j.Webhooks.Posts > 0 {
		fmt.Fprintf(w, "webhooks    %s to %d programs, %s signatures hold, %s fail\n", plural(j.Webhooks.Posts, "post"), len(demoHooks()), count(j.Webhooks.Pass), count(j.Webhooks.Fail))
	}
	if j.Texts.Sent > 0 {
		fmt.Fprintf(w, "phones      %s, such as: %s\n", plural(j.Texts.Sent, "text message"), r.texts[len(r.texts)-1])
	}
	if r.open > 0 {
		fmt.Fprintf(w, "open        %s still wait for another try\n", plural(r.open, "message"))
	}
	_, err := fmt.Fprintf(w, "rate        %s mails a second; the first left %s after the demo began\n", count(int64(j.Rate)), seconds(r.first.Sub(began).Seconds()))
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.2f s", s) }
