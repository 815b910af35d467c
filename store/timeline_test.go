package store

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestARefusedPrimaryIsToldOfAgainEveryFewMinutes(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	f := newFence(func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	f.note(timeline{"c", 2})
	where := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5432}
	for minute, want := range []int{1, 1, 1, 1, 1, 2, 2} {
		for range 3 {
			if err := f.admit(timeline{"c", 1}, where); err == nil {
				t.Error("it was let in")
			}
		}
		if got := strings.Count(log.String(), "\n"); got != want {
			t.Errorf("after %d minutes it was told %d times, want %d", minute, got, want)
		}
		now = now.Add(time.Minute)
	}
}

func TestALookThatNobodyAnsweredIsNotKept(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	_ = closed.Close()
	cfg, err := pgx.ParseConfig("postgres://u@" + address + "," + address + "/x?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f := newFence(func() time.Time { return now }, slog.New(slog.DiscardHandler))
	host := hostsOf(cfg)[0]
	f.look(t.Context(), hostsOf(cfg))
	f.look(t.Context(), append(hostsOf(cfg), host))
	if !f.looked.IsZero() {
		t.Error("the next connection within ten seconds would ask nobody")
	}
}
