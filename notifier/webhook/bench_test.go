package webhook

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
)

// free is the Flight of a benchmark.
type free struct{}

func (free) Begin() error                 { return nil }
func (free) Taken(notifier.Receipt) error { return nil }

// BenchmarkSignedPosts posts 2 kB each to a sink on this machine, which shares
// its processors: 1,000 endpoints behind one host, from as many goroutines as an
// outbox has workers. Read posts/s.
func BenchmarkSignedPosts(b *testing.B) {
	for _, c := range []struct {
		name   string
		secure bool
	}{{"http", false}, {"https", true}} {
		b.Run(c.name, func(b *testing.B) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusNoContent)
			}))
			s.Config.ErrorLog = quiet()
			if c.secure {
				s.StartTLS()
			} else {
				s.Start()
			}
			b.Cleanup(s.Close)
			r := newRig(b, func(set *setup) {
				if c.secure {
					set.roots = s
				}
				set.options.Now, set.options.Within = time.Now, nil
				set.guard.Dial = nil // the real one, with its Control
			})
			const readers = 1000
			for reader := range int64(readers) {
				r.endpoint(reader, s.URL+"/hook", func(e *notifier.Endpoint) { e.Concurrency = 4 })
			}
			body := make([]byte, 2000)
			for i := range body {
				body[i] = 'x'
			}
			var next, again atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(Workers / 2)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := next.Add(1)
					m := message(1+n/readers, n%readers)
					m.Letter.Body = body
					for {
						_, err := r.Send(context.Background(), m, free{})
						if err == nil {
							break
						}
						if again.Add(1); b.Failed() {
							return
						}
						if _, ok := err.(*notifier.SendError); ok { //nolint:errorlint // as the contract says
							b.Error(err)
							return
						}
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
			b.ReportMetric(float64(again.Load())/float64(b.N), "given-back/post")
		})
	}
}
