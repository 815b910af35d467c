package main

import (
	"log/slog"
	"sync"

	"allclear/notifier"
)

// gatewayNews logs when the gateway for text messages stops to work, once and
// again for another reason, and when it works again.
type gatewayNews struct {
	gateway string
	log     *slog.Logger

	mu   sync.Mutex
	down bool
	why  string // stage and code that were said last
}

func newGatewayNews(gateway string, log *slog.Logger) *gatewayNews {
	return &gatewayNews{gateway: gateway, log: log}
}

// answered is sms.Options.Answered. What the gateway said may hold a number, and
// is left out: allclear told shows it.
func (g *gatewayNews) answered(trouble *notifier.SendError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if trouble == nil {
		if g.down {
			g.log.Info("SMS gateway works again", "gateway", g.gateway)
		}
		g.down, g.why = false, ""
		return
	}
	why := trouble.Stage + " " + count(int64(trouble.Code))
	if g.down && why == g.why {
		return
	}
	g.down, g.why = true, why
	attrs := []any{"gateway", g.gateway, "stage", trouble.Stage}
	if trouble.Code != 0 {
		attrs = append(attrs, "code", trouble.Code)
	}
	if trouble.Code == 0 && trouble.Err != nil {
		attrs = append(attrs, "error", notifier.Clip(trouble.Err.Error()))
	}
	g.log.Warn("SMS gateway takes no messages", attrs...)
}
