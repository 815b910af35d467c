package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"allclear/notifier"
)

func TestAGatewayThatStopsToWorkIsToldOfOnceAndAgainWhenItWorks(t *testing.T) {
	var out bytes.Buffer
	g := newGatewayNews("twilio", slog.New(slog.NewTextHandler(&out, nil)))
	refused := &notifier.SendError{Fault: notifier.FaultOurs, Stage: "answer", Code: 401, Receipt: notifier.Receipt{Reply: "no, +4740000000"}}
	away := &notifier.SendError{Fault: notifier.FaultRelay, Stage: "dial", Err: errors.New("connection refused")}
	for _, trouble := range []*notifier.SendError{nil, nil, away, away, away, refused, refused, nil, nil, away} {
		g.answered(trouble)
	}
	var said []string
	for line := range strings.Lines(out.String()) {
		_, what, _ := strings.Cut(strings.TrimSpace(line), " level=")
		said = append(said, what)
	}
	want := []string{
		`WARN msg="SMS gateway takes no messages" gateway=twilio stage=dial error="connection refused"`,
		`WARN msg="SMS gateway takes no messages" gateway=twilio stage=answer code=401`,
		`INFO msg="SMS gateway works again" gateway=twilio`,
		`WARN msg="SMS gateway takes no messages" gateway=twilio stage=dial error="connection refused"`,
	}
	if strings.Join(said, "\n") != strings.Join(want, "\n") {
		t.Errorf("said\n%s", strings.Join(said, "\n"))
	}
}
