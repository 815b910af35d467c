package main

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/subscribers"
)

// metrics are what one process counts. Labels are names from the vocabulary
// and names of relays; never anything about a reader.
type metrics struct {
	registry *prometheus.Registry
	accepted *prometheus.CounterVec
	made     *prometheus.CounterVec
	attempts *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	open     *prometheus.GaugeVec
	allowed  *prometheus.GaugeVec
	working  *prometheus.GaugeVec
	answered *prometheus.CounterVec
}

func newMetrics(depths func(context.Context) ([]notifier.Depth, error), now func() time.Time) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "allclear_events_accepted_total", Help: "Events that this process accepted by HTTP, by type.",
		}, []string{"type"}),
		made: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "allclear_deliveries_made_total", Help: "Deliveries that this process's fan-out made.",
		}, []string{"lane"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "allclear_attempts_total", Help: "Settled tries by outcome: sent, retry, held, failed, expired.",
		}, []string{"channel", "lane", "outcome"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "allclear_accept_to_sent_seconds", Help: "From the event's acceptance to the relay's acknowledgement.",
			Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600},
		}, []string{"channel", "lane"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "allclear_relay_connections", Help: "Connections that stand.",
		}, []string{"relay"}),
		allowed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "allclear_relay_connections_allowed", Help: "Connections that may work at present; fewer while the relay asks for less.",
		}, []string{"relay"}),
		working: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "allclear_relay_up", Help: "1 while the relay is used, 0 while it rests after trouble.",
		}, []string{"relay"}),
	}
	m.answered = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "allclear_signups_total", Help: "Sign-ups on the form that this process looked at, by what became of them: asked, known, barred, again, expired, void, trapped.",
	}, []string{"fate"})
	build := thisBuild()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "allclear_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "go": build.Go},
	})
	info.Set(1)
	m.registry.MustRegister(m.accepted, m.made, m.attempts, m.latency, m.open, m.allowed, m.working, m.answered, info,
		&queueCollector{depths: depths, now: now}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// settled counts one settlement of the outbox.
func (m *metrics) settled(d notifier.Delivery, s notifier.Settlement) {
	outcome := string(s.State)
	if s.State == notifier.Pending {
		outcome = "retry"
	}
	m.attempts.WithLabelValues(string(d.Channel), d.Lane.String(), outcome).Inc()
	if s.State == notifier.Sent {
		m.latency.WithLabelValues(string(d.Channel), d.Lane.String()).Observe(s.At.Sub(d.AcceptedAt).Seconds())
	}
}

// signUps counts what became of sign-ups.
func (m *metrics) signUps(fate subscribers.Fate, n int) {
	m.answered.WithLabelValues(string(fate)).Add(float64(n))
}

// RelayChanged is part of email.Observer.
func (m *metrics) RelayChanged(relay string, s email.RelayState, _ error) {
	up := 1.0
	if s == email.RelayResting {
		up = 0
	}
	m.working.WithLabelValues(relay).Set(up)
}

// RelayConnections is part of email.Observer.
func (m *metrics) RelayConnections(relay string, open, allowed int) {
	m.open.WithLabelValues(relay).Set(float64(open))
	m.allowed.WithLabelValues(relay).Set(float64(allowed))
}

// queueCollector asks the database how much waits, when somebody looks.
type queueCollector struct {
	depths func(context.Context) ([]notifier.Depth, error)
	now    func() time.Time
}

func (q *queueCollector) descs() (depth, oldest *prometheus.Desc) {
	return prometheus.NewDesc("allclear_queue_depth", "Deliveries that are not final.", []string{"channel", "lane", "state"}, nil),
		prometheus.NewDesc("allclear_queue_oldest_seconds", "How long the oldest pending delivery has been due; 0 where none is.", []string{"channel", "lane"}, nil)
}

// Describe is part of prometheus.Collector.
func (q *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	depth, oldest := q.descs()
	ch <- depth
	ch <- oldest
}

// Collect is part of prometheus.Collector.
func (q *queueCollector) Collect(ch chan<- prometheus.Metric) {
	depth, oldest := q.descs()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	list, err := q.depths(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(depth, err)
		return
	}
	// Lanes in which nothing waits are told too: an alert cannot fire on what is missing.
	for _, c := range notifier.Channels {
		for _, l := range notifier.Lanes {
			if !slices.ContainsFunc(list, func(d notifier.Depth) bool { return d.Lane == l && d.Channel == c }) {
				list = append(list, notifier.Depth{Channel: c, Lane: l})
			}
		}
	}
	now := q.now()
	for _, d := range list {
		lane := d.Lane.String()
		for state, n := range map[notifier.DeliveryState]int64{notifier.Pending: d.Pending, notifier.Sending: d.Sending, notifier.Held: d.Held} {
			ch <- prometheus.MustNewConstMetric(depth, prometheus.GaugeValue, float64(n), string(d.Channel), lane, string(state))
		}
		age := 0.0
		if !d.Oldest.IsZero() {
			age = max(now.Sub(d.Oldest).Seconds(), 0)
		}
		ch <- prometheus.MustNewConstMetric(oldest, prometheus.GaugeValue, age, string(d.Channel), lane)
	}
}
