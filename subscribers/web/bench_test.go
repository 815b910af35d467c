package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/subscribers/web"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// BenchmarkVisitors is what a crowd gets: real HTTP on loopback, SQLite, 25
// posts with 4 updates each, 3,975 followers, and a change every 100 ms. The
// visitors run on the same machine. rate is how many come in a second, whether
// those before them were served or not, and what is waited for counts from when
// they came; 0 is as many as are served.
func BenchmarkVisitors(b *testing.B) {
	for _, path := range []string{"/", "/feed.atom", "/badge.svg"} {
		for _, rate := range []int{2000, 0} {
			b.Run(fmt.Sprintf("path=%s/rate=%d", path, rate), func(b *testing.B) { visit(b, path, rate) })
		}
	}
}

func visit(b *testing.B, path string, rate int) {
	crowd := 64 // connections
	if rate == 0 {
		crowd = 8
	}
	store := storetest.Open(b, "sqlite")()
	set, err := templates.New(templates.Options{
		Brand: templates.Brand{Name: "Example Status"}, BaseURL: "https://status.example.com", Stories: store, Links: mailLinks{}, Now: store.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	var followers []subscribers.Subscriber
	for n := range 3975 {
		followers = append(followers, subscribers.Subscriber{
			Channel: notifier.Email, Address: fmt.Sprintf("a%d@example.com", n), State: subscribers.Active, Cadence: subscribers.Instant, CreatedAt: store.Now(), ConfirmedAt: store.Now(),
		})
	}
	for batch := range slices.Chunk(followers, 1000) {
		if _, _, err := store.ImportSubscribers(b.Context(), batch, nil); err != nil {
			b.Fatal(err)
		}
	}
	ids := 0
	desk := func() notifier.Desk {
		ids++
		return notifier.Desk{Now: store.Now(), Zone: time.UTC, NewID: func() string { ids++; return fmt.Sprintf("id%06d", ids) }}
	}
	say := func(ctx context.Context, id string) error {
		_, err := store.ReviseIncident(ctx, id, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Say(notifier.Saying{Body: "We *still* look at it, since {{at \"-20m\"}}. A shelf of disks lost its power; nothing is lost.", Quiet: true}, desk())
		})
		return err
	}
	for n := range 10 {
		if err := store.AddComponent(b.Context(), notifier.Component{Key: fmt.Sprint("imap", n), Group: "Stores"}); err != nil {
			b.Fatal(err)
		}
	}
	last := ""
	for n := range 25 {
		p, err := notifier.Open(notifier.Announcement{Title: fmt.Sprintf("imap%d does not answer", n%10), Severity: notifier.SeverityMajor, Components: []string{fmt.Sprint("imap", n%10)}, Body: "We look.", Quiet: true}, desk())
		if err != nil {
			b.Fatal(err)
		}
		if p, err = store.OpenIncident(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		last = p.Incident.ID
		for range 3 {
			if err := say(b.Context(), last); err != nil {
				b.Fatal(err)
			}
		}
	}
	server := httptest.NewServer(web.New(web.Options{
		Posts: store, People: store, Account: store, Moves: store, Lost: &lostAddresses{}, Pages: set.Pages(), Style: set.Pages().Style(), Icon: set.Pages().Icon(), Links: subscribers.NewLinks(storetest.Secret()), Now: store.Now,
		SignUps: store, Gate: gate.New(storetest.Secret(), "subscribe"), Work: set.Pages().Work(), Script: set.Pages().Script(),
	}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crowd}}

	ctx, end := context.WithCancel(b.Context())
	var desks sync.WaitGroup
	desks.Go(func() {
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				ids++
				title := fmt.Sprintf("imap%d does not answer", ids%10)
				_, err := store.ReviseIncident(ctx, last, func(i notifier.Incident) (notifier.Posting, error) {
					return i.Correct(notifier.Correction{Title: &title}, desk())
				})
				if err != nil && ctx.Err() == nil {
					b.Error(err)
				}
			}
		}
	})
	work, took := make(chan time.Time, b.N), make([][]time.Duration, crowd)
	var all sync.WaitGroup
	b.ResetTimer()
	for n := range crowd {
		all.Go(func() {
			for came := range work {
				if rate == 0 {
					came = time.Now()
				}
				res, err := client.Get(server.URL + path)
				if err != nil {
					b.Error(err)
					continue
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
					b.Errorf("%s: %v", res.Status, err)
				}
				res.Body.Close()
				took[n] = append(took[n], time.Since(came))
			}
		})
	}
	began := time.Now()
	for n := range b.N {
		came := began
		if rate > 0 {
			came = began.Add(time.Duration(n) * time.Second / time.Duration(rate))
			<-time.After(time.Until(came))
		}
		work <- came
	}
	close(work)
	all.Wait()
	b.StopTimer()
	end()
	desks.Wait()
	every := slices.Concat(took...)
	slices.Sort(every)
	if len(every) == 0 {
		return
	}
	ms := func(share float64) float64 {
		return float64(every[min(int(share*float64(len(every))), len(every)-1)].Microseconds()) / 1000
	}
	b.ReportMetric(float64(len(every))/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(ms(.5), "p50-ms")
	b.ReportMetric(ms(.99), "p99-ms")
}
