package audience_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/audience"
)

// shelf keeps one audience in memory.
type shelf struct {
	open    bool
	rows    []notifier.AudienceRow
	rejects []notifier.Reject
	sums    [][32]byte
	without int64
	largest int   // rows of one batch
	dropped int   // how many loads were given up
	refuse  error // of TakeUp
}

func (s *shelf) BeginAudience(context.Context, string, bool) (notifier.Upload, error) {
	s.open = true
	return notifier.Upload{Edition: 7}, nil
}

func (s *shelf) TakeUp(_ context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject, taken string) error {
	if !s.open || u.Edition != 7 || taken == "" {
		return fmt.Errorf("%+v is not open, or %q", u, taken)
	}
	s.rows, s.rejects = append(s.rows, rows...), append(s.rejects, rejects...)
	s.largest = max(s.largest, len(rows)+len(rejects))
	return s.refuse
}

func (s *shelf) FinishAudience(_ context.Context, _ notifier.Upload, without int64, sum [32]byte) (notifier.Notice, error) {
	s.open, s.without, s.sums = false, without, append(s.sums, sum)
	return notifier.Notice{ID: "n1", Rows: int64(len(s.rows))}, nil
}

func (s *shelf) DropAudience(ctx context.Context, _ notifier.Upload) error {
	s.open = false
	s.dropped++
	return ctx.Err()
}

func (s *shelf) LeftAudiences(context.Context, string, bool) ([]notifier.Left, error) {
	return nil, nil
}

func (s *shelf) EndAudience(context.Context, notifier.Left) error { return notifier.ErrNotFound }

func (s *shelf) ResumeAudience(context.Context, notifier.Left) (notifier.Upload, error) {
	return notifier.Upload{}, notifier.ErrNotFound
}

func loading(t *testing.T, query string) audience.Loading {
	return audience.Loading{Notice: "n1", Replace: true, Options: options(t, query, "")}
}

func TestAFileIsLoadedRowByRowInBatches(t *testing.T) {
	var s shelf
	var seen []int64
	l := loading(t, "")
	l.Progress = func(n int64) { seen = append(seen, n) }
	file := "email,subject\n" + strings.Repeat("ann@example.com,Hello\n", 2500) + ",nobody\nbroken,x\n"
	got, err := audience.Load(t.Context(), &s, strings.NewReader(file), l)
	if err != nil || got.Rows != 2500 || len(s.rejects) != 1 || s.without != 1 || s.dropped != 0 || s.open {
		t.Fatalf("loaded %+v, %d rejects, %d without, %v", got, len(s.rejects), s.without, err)
	}
	if s.largest > 1000 || !slices.Equal(seen, []int64{1000, 2000, 2501}) {
		t.Errorf("largest batch %d, progress %v", s.largest, seen)
	}
	if r := s.rows[1]; r.Line != 3 || r.Channel != notifier.Email || r.Address != "ann@example.com" || r.Fields[0].Text != "Hello" {
		t.Errorf("row %+v", r)
	}
}

func TestTheFirstRejectKeepsTheHeader(t *testing.T) {
	var s shelf
	if _, err := audience.Load(t.Context(), &s, strings.NewReader("E-Mail;\"a;b\"\nx;1\ny;2\nann@example.com;3\n"), loading(t, "map=email:E-Mail")); err != nil {
		t.Fatal(err)
	}
	if len(s.rejects) != 2 || s.rejects[0].Header != "E-Mail;\"a;b\"\n" || s.rejects[0].Text != "x;1" || s.rejects[1].Header != "" || s.rejects[1].Text != "y;2" {
		t.Errorf("rejects %+v", s.rejects)
	}
}

func TestTheSameFileHasTheSameSumAndNoOtherDoes(t *testing.T) {
	sum := func(file, query string) [32]byte {
		var s shelf
		if _, err := audience.Load(t.Context(), &s, strings.NewReader(file), loading(t, query)); err != nil {
			t.Fatal(err)
		}
		return s.sums[0]
	}
	const file = "email,mail\na@example.com,b@example.com\n"
	first := sum(file, "")
	if again := sum(file, ""); again != first {
		t.Error("one file has two sums")
	}
	for name, other := range map[string][32]byte{
		"another file": sum(file+"c@example.com,\n", ""), "another mapping": sum(file, "map=other:mail"),
		"another zone": sum(file, "timezone=Europe/Oslo"),
	} {
		if other == first {
			t.Errorf("%s has the same sum", name)
		}
	}
}

func TestWhatIsAtFaultOrBroughtNothingIsDroppedAlsoWhenNobodyWaitsAnyMore(t *testing.T) {
	torn := errors.New("connection reset")
	file := func(rows int, end io.Reader) io.Reader {
		return io.MultiReader(strings.NewReader("email\n"+strings.Repeat("ann@example.com\n", rows)), end)
	}
	var s shelf
	if _, err := audience.Load(t.Context(), &s, file(1500, iotestErr{torn}), loading(t, "")); !errors.Is(err, torn) || s.dropped != 0 || !s.open || len(s.sums) != 0 {
		t.Errorf("a torn file: %v, %+v", err, s.dropped)
	}
	s = shelf{}
	if _, err := audience.Load(t.Context(), &s, file(500, iotestErr{torn}), loading(t, "")); !errors.Is(err, torn) || s.dropped != 1 || s.open {
		t.Errorf("a file that was torn before anything of it was kept: %v, %+v", err, s.dropped)
	}
	var invalid *notifier.Invalid
	s = shelf{}
	if _, err := audience.Load(t.Context(), &s, file(1500, strings.NewReader("\"x\"y\n\"x\"y\n")), loading(t, "")); !errors.As(err, &invalid) || s.dropped != 1 || s.open {
		t.Errorf("a file at fault: %v, %+v", err, s.dropped)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s = shelf{refuse: context.Canceled}
	if _, err := audience.Load(gone, &s, strings.NewReader("email\nann@example.com\n"), loading(t, "")); !errors.Is(err, context.Canceled) || s.dropped != 1 {
		t.Errorf("a sender who is gone: %v, %d dropped", err, s.dropped)
	}
	s = shelf{}
	if _, err := audience.Load(t.Context(), &s, strings.NewReader("name\nAnn\n"), loading(t, "")); !errors.As(err, &invalid) || s.open {
		t.Errorf("no column of addresses: %v", err)
	}
}

func TestAFileByWhichNobodyCanBeToldIsRefusedWithItsFirstRow(t *testing.T) {
	for name, c := range map[string]struct{ text, query, want string }{
		"one giant line":     {"email,x\nann@example.com," + strings.Repeat("x", 2<<20) + "\n", "", "line 2: the row is longer than 1048576 bytes; nothing in it was read; the file's only row cannot be used, and nothing is changed"},
		"another column":     {"Kunde,Mail\n7,ann@example.com\n8,bo@example.com\n,\n", "map=email:Kunde", `line 2: column 1 ("Kunde"): "7" is no address; none of the file's 2 rows can be used, and nothing is changed`},
		"some name nobody":   {"email,x\n,1\nx,2\n", "", `line 3: column 1 ("email"): "x" is no address; none of the file's 2 rows can be used (1 rejected, 1 without an address), and nothing is changed`},
		"all name nobody":    {"Fax,Mail\n,ann@example.com\n", "map=email:Fax", `audience: the file's only row cannot be used: the column "Fax" holds no address; write map=email: and the one that does; nothing is changed`},
		"NDJSON":             {`{"email":""}` + "\n" + `{"x":1}` + "\n", "", `audience: none of the file's 2 rows can be used: there is no key email in any; write map=email: and the one that holds the address; nothing is changed`},
		"more than one part": {"email\n" + strings.Repeat("x\n", 2500), "", `line 2: column 1 ("email"): "x" is no address; none of the file's 2500 rows can be used, and nothing is changed`},
	} {
		var s shelf
		var invalid *notifier.Invalid
		_, err := audience.Load(t.Context(), &s, strings.NewReader(c.text), loading(t, c.query))
		if !errors.As(err, &invalid) || err.Error() != c.want || s.dropped != 1 || len(s.sums) != 0 {
			t.Errorf("%s: %v, %d dropped\nwant %s", name, err, s.dropped, c.want)
		}
	}
}

type iotestErr struct{ error }

func (e iotestErr) Read([]byte) (int, error) { return 0, e.error }
