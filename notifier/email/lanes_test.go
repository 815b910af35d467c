package email

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func TestAnIncidentPassesWhileAllOrdinaryConnectionsHang(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		stuck := make(chan struct{})
		defer close(stuck)
		var content sync.Map // connection -> lane told by the recipient
		o.Answer = func(n int, command string) string {
			if strings.HasPrefix(command, "RCPT") {
				content.Store(n, strings.Contains(command, "bulk"))
			}
			if bulk, _ := content.Load(n); command == emailtest.Dot && bulk == true {
				<-stuck
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=4"))
		for i := range 20 {
			start(t, p, mailTo(fmt.Sprintf("bulk%d@example.net", i)), notifier.LaneBulk, &flight{})
		}
		waitFor(t, "all ordinary connections to hang", func() bool { return len(r.Messages()) == 3 })
		for i := range 10 {
			mustSend(t, p, reader(i), notifier.LaneIncident)
			mustSend(t, p, reader(i), notifier.LaneConfirm)
		}
		if r.Connections() > 4 {
			t.Errorf("%d connections; at most 4 are allowed", r.Connections())
		}
	})
}

func TestExpressLanesGoFirstOnAConnectionTheyShare(t *testing.T) {
	hold := make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		if command == "DATA" {
			<-hold
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	var all []*sending
	for i := range 20 {
		all = append(all, start(t, p, mailTo(fmt.Sprintf("bulk%d@example.net", i)), notifier.LaneBulk, &flight{}))
	}
	r.WaitCommand("DATA", 1)
	incident := start(t, p, mailTo("reader@example.net"), notifier.LaneIncident, &flight{})
	waitFor(t, "the incident to wait", func() bool { return p.relays[0].doors[expressDoor].waiting.Load() == 1 })
	close(hold)
	for _, s := range append(all, incident) {
		if _, err := s.wait(); err != nil {
			t.Error(err)
		}
	}
	place := slices.IndexFunc(r.Messages(), func(m emailtest.Message) bool { return m.To[0] == "reader@example.net" })
	if place != 1 {
		t.Errorf("%d messages went before the incident; want only the one on the wire", place)
	}
}

func TestLanesKeepToTheirRelays(t *testing.T) {
	fast := emailtest.NewServer(t, emailtest.Options{})
	slow := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, fast.URL("tls=off&lanes=confirm+incident")+","+slow.URL("tls=off"))
	for _, l := range notifier.Lanes {
		want := slow.Addr
		if l.Express() {
			want = fast.Addr
		}
		if r := mustSend(t, p, "reader@example.net", l); r.Relay != want {
			t.Errorf("%s went to %s; want %s", l, r.Relay, want)
		}
	}
	fast.Close()
	if r := mustSend(t, p, "reader@example.net", notifier.LaneIncident); r.Relay != slow.Addr {
		t.Errorf("an incident went to %s; want the relay that carries all", r.Relay)
	}
	slow.Close()
	_, err := send(t, p, "reader@example.net", notifier.LaneBulk, &flight{})
	asSendError(t, err)
	if _, ok := p.ReadyFor(notifier.LaneBulk); ok {
		t.Error("ready for bulk without a relay")
	}
}
