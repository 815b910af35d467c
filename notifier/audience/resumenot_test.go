package audience_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/audience"
)

// crowded is a file of n people.
func crowded(n int) string {
	var b strings.Builder
	b.WriteString("email,seen\n")
	for i := range n {
		fmt.Fprintf(&b, "u%03d@example.com,2026-11-20 09:12\n", i)
	}
	return b.String()
}

func TestWhatIsReadOtherwiseOrIsAnotherFileStartsFromTheBeginning(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		file := crowded(30)
		for i, c := range []struct {
			name, text, query string
			replace           bool
			folder            string
			resumed           int64
		}{
			{"the same", file, "", true, "", 15},
			{"the same, and longer", file + "more@example.com,x\n", "", true, "", 15},
			{"another from where it was cut", file[:len(file)-100] + "\n", "", true, "", 15},
			{"another in its first row", strings.Replace(file, "u000", "v000", 1), "", true, "", 0},
			{"another in the last row that was taken", strings.Replace(file, "u014", "v014", 1), "", true, "", 0},
			{"shorter than what was taken", crowded(10), "", true, "", 0},
			{"in another zone", file, "timezone=Europe/Oslo", true, "", 0},
			{"under other names", file, "map=when:seen", true, "", 0},
			{"with the delimiter said", file, "delimiter=comma", true, "", 0},
			{"in another encoding", file, "encoding=windows-1252", true, "", 0},
			{"added, and not in the place of all", file, "", false, "", 0},
			{"where its beginning cannot be kept", file, "", true, filepath.Join(t.TempDir(), "none"), 0},
		} {
			id, once := fmt.Sprint("n", i), fmt.Sprint("once", i)
			s.draft(id)
			s.draft(once)
			if _, _, err := s.load(id, true, torn(file, len(crowded(16))), ""); !errors.Is(err, errTorn) {
				t.Fatal(err)
			}
			l := audience.Loading{Notice: id, Replace: c.replace, Options: options(t, c.query, ""), Folder: c.folder}
			resumed := int64(0)
			l.Resumed = func(rows int64) { resumed = rows }
			seen := []int64{}
			l.Progress = func(rows int64) { seen = append(seen, rows) }
			if _, err := audience.Load(t.Context(), s, streamed(c.text), l.InBatches(3)); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if resumed != c.resumed || (resumed > 0 && seen[0] != resumed) || (resumed == 0 && seen[0] != 3) {
				t.Errorf("%s: gone on with behind row %d, progress %v", c.name, resumed, seen)
			}
			s.whole(once, true, c.text, c.query)
			if got, want := fmt.Sprint(s.all(id)), fmt.Sprint(s.all(once)); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", c.name, got, want)
			}
		}
	})
}

// unfinished is a Keeper that is gone by the time the file is at its end.
type unfinished struct{ audience.Keeper }

func (unfinished) FinishAudience(context.Context, notifier.Upload, int64, [32]byte) (notifier.Notice, error) {
	return notifier.Notice{}, errTorn
}

// half is a Keeper that is gone after some batches.
type half struct {
	audience.Keeper
	left int
}

func (h *half) TakeUp(ctx context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject, taken string) error {
	if h.left--; h.left < 0 {
		return errTorn
	}
	return h.Keeper.TakeUp(ctx, u, rows, rejects, taken)
}

func TestWhatIsToldToBeKeptIsWhatIsGoneOnBehind(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.draft("n")
		for batches, want := range []int64{-1, 3, 9} {
			l := audience.Loading{Notice: "n", Replace: true, Options: options(t, "", "")}
			kept := int64(-1)
			l.Kept = func(rows int64) { kept = rows }
			if _, err := audience.Load(t.Context(), &half{s.Keeper, batches}, streamed(crowded(30)), l.InBatches(3)); !errors.Is(err, errTorn) || kept != want {
				t.Errorf("after %d batches more row %d is told, want %d: %v", batches, kept, want, err)
			}
		}
		if resumed, _, err := s.load("n", true, streamed(crowded(30)), ""); err != nil || resumed != 9 {
			t.Errorf("gone on with behind row %d, %v", resumed, err)
		}
	})
}

func TestNobodyGoesOnBehindARowThatWhatFollowsMakesAnother(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		const begin = "email,seen\nann@example.com,1\n"
		for i, c := range []struct {
			name, cut, then string
			broke           bool // cut breaks off; else it is whole, and what finishes it does
			resumed         int64
		}{
			{"a last line that was not whole", begin + "bob@example.co", begin + "bob@example.com,2\n", false, 0},
			{"a last line without its end, as it was", begin + "bob@example.com,2", begin + "bob@example.com,2", false, 0},
			{"half of a line end", begin + "bob@example.com,2\r", begin + "bob@example.com,2\r\n", false, 0},
			{"a last line with its end", begin + "bob@example.com,2\n", begin + "bob@example.com,2\ncy@example.com,3\n", false, 2},
			{"a quote that is closed later", begin + "bob@example.com,\"2\ncy@example.com,3\n", begin + "bob@example.com,\"2\ncy@example.com,3\n\"\n", false, 0},
			{"a long last line", begin + strings.Repeat("x", 2<<20), begin + strings.Repeat("x", 2<<20) + "y,\ncy@example.com,3\n", false, 0},
			{"a quote that the next line shows to be wrong", begin + "bob@example.com,2\ncy@example.com,\"3\ndan@example.com,\"4\"\neve@exam", begin + "bob@example.com,2\ncy@example.com,\"3\nor so\"\neve@example.com,5\n", true, 0},
			{"a quote that was wrong, farther up", begin + "bob@example.com,\"2\ncy@example.com,\"3\"\ndan@exam", begin + "bob@example.com,\"2\ncy@example.com,\"3\"\neve@example.com,5\n", true, 3},
		} {
			id, once := fmt.Sprint("n", i), fmt.Sprint("once", i)
			s.draft(id)
			s.draft(once)
			var in io.Reader = strings.NewReader(c.cut)
			keeper := audience.Keeper(unfinished{s.Keeper})
			if c.broke {
				in, keeper = torn(c.cut, len(c.cut)), s.Keeper
			}
			l := audience.Loading{Notice: id, Replace: true, Options: options(t, "", "")}
			if _, err := audience.Load(t.Context(), keeper, in, l.InBatches(3)); !errors.Is(err, errTorn) {
				t.Fatalf("%s: %v", c.name, err)
			}
			if left := s.left(id, true); (left > 0) != (c.resumed > 0) {
				t.Errorf("%s: %d are left", c.name, left)
			}
			if resumed, _, err := s.load(id, true, streamed(c.then), ""); err != nil || resumed != c.resumed {
				t.Errorf("%s: gone on with behind row %d, %v", c.name, resumed, err)
			}
			s.whole(once, true, c.then, "")
			if got, want := fmt.Sprint(s.all(id)), fmt.Sprint(s.all(once)); got != want {
				t.Errorf("%s:\n%.2000s\nwant\n%.2000s", c.name, got, want)
			}
		}
	})
}

// The ack journal and the database may be on the same disk.
func TestWhatIsComparedLeavesRoomOnTheDisk(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		file, folder := crowded(30), t.TempDir()
		s.draft("once")
		s.whole("once", true, file, "")
		spare := func(of ...int64) func(string) int64 {
			return func(at string) (n int64) {
				if at != folder {
					t.Errorf("asked for the room in %q", at)
				}
				n, of = of[0], of[1:]
				return n
			}
		}
		for i, c := range []struct {
			name    string
			spare   func(string) int64
			most    int64
			resumed int64
		}{
			{"there is room", spare(1 << 40), 0, 15},
			{"there is none", spare(0), 0, 0},
			{"there is less than is kept free", spare(-1), 0, 0},
			{"there is room for the first batch", spare(200, 0), 0, 0},
			{"there is room in steps", spare(200, 1<<40), 0, 15},
			{"it is as much as is ever kept", nil, int64(len(crowded(15))), 15},
			{"it is more than is ever kept", spare(1<<40, 1<<40), int64(len(crowded(15))) - 1, 0},
		} {
			id := fmt.Sprint("n", i)
			s.draft(id)
			if _, _, err := s.load(id, true, torn(file, len(crowded(16))), ""); !errors.Is(err, errTorn) {
				t.Fatal(err)
			}
			l := audience.Loading{Notice: id, Replace: true, Options: options(t, "", ""), Folder: folder, Spare: c.spare}
			resumed := int64(0)
			l.Resumed = func(rows int64) { resumed = rows }
			if _, err := audience.Load(t.Context(), s, streamed(file), l.InBatches(3).Keeping(c.most)); err != nil || resumed != c.resumed {
				t.Errorf("%s: gone on with behind row %d, %v", c.name, resumed, err)
			}
			if got, want := fmt.Sprint(s.all(id)), fmt.Sprint(s.all("once")); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", c.name, got, want)
			}
			if kept, err := os.ReadDir(folder); err != nil || len(kept) > 0 {
				t.Errorf("%s: %v is left, %v", c.name, kept, err)
			}
		}
	})
}

// after does something once so many bytes were read.
type after struct {
	io.Reader
	left int
	do   func()
}

func (a *after) Read(p []byte) (int, error) {
	if a.left == 0 && a.do != nil {
		a.do()
		a.do = nil
	}
	if a.left > 0 {
		p = p[:min(len(p), a.left)]
	}
	n, err := a.Reader.Read(p)
	a.left = max(a.left-n, 0)
	return n, err
}

func TestTwoUploadsOfOneFileAtOnceDoNotMix(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		// As much as is read at once, so that rows are kept before the rest comes.
		file := "email,seen\n" + strings.Repeat("long@example.com,"+strings.Repeat("x", 10_000)+"\n", 60) + crowded(30)[len("email,seen\n"):]
		s.draft("n")
		s.draft("once")
		s.whole("once", true, file, "")
		var behind int64
		var err error
		// The second comes while the first is half-way, and has all of it.
		slow := &after{streamed(file), len(file) * 3 / 4, func() { behind, _, err = s.load("n", true, streamed(file), "") }}
		_, _, refused := s.load("n", true, slow, "")
		if err != nil || behind == 0 {
			t.Errorf("the second went on behind row %d, %v", behind, err)
		}
		if !errors.Is(refused, notifier.ErrNotFound) && !errors.Is(refused, notifier.ErrConflict) {
			t.Errorf("the first: %v", refused)
		}
		if got, want := fmt.Sprint(s.all("n")), fmt.Sprint(s.all("once")); got != want {
			t.Errorf("there is\n%.2000s\nwant\n%.2000s", got, want)
		}
		// While the second reads what is there, the first brings more of it.
		s.draft("m")
		if _, _, err := s.load("m", true, torn(file, len(file)/2), ""); !errors.Is(err, errTorn) {
			t.Fatal(err)
		}
		moving := &after{streamed(file), 1000, func() {
			if _, _, err := s.load("m", true, torn(file, len(file)*3/4), ""); !errors.Is(err, errTorn) {
				t.Error(err)
			}
		}}
		if behind, _, err = s.load("m", true, moving, ""); err != nil || behind < 40 {
			t.Errorf("went on behind row %d, %v", behind, err)
		}
		if got, want := fmt.Sprint(s.all("m")), fmt.Sprint(s.all("once")); got != want {
			t.Errorf("there is\n%.2000s\nwant\n%.2000s", got, want)
		}
	})
}

// pressed is a Keeper whose upload has come further whenever somebody wants to go on with it.
type pressed struct {
	*shop
	further func()
}

func (p *pressed) ResumeAudience(ctx context.Context, left notifier.Left) (notifier.Upload, error) {
	p.further()
	return p.shop.ResumeAudience(ctx, left)
}

// heard is a Keeper that tells of what it took.
type heard struct {
	*shop
	took func()
}

func (h *heard) TakeUp(ctx context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject, taken string) error {
	defer h.took()
	return h.shop.TakeUp(ctx, u, rows, rejects, taken)
}

// What a cut connection had brought by then may be read for a while.
func TestAFileThatIsSentAgainWhileWhatIsLeftOfItIsStillReadIsGoneOnWith(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.draft("n")
		lines := strings.SplitAfter(crowded(60), "\n")
		load := func(k audience.Keeper, in io.Reader) (resumed int64, n notifier.Notice, err error) {
			l := audience.Loading{Notice: "n", Replace: true, Options: options(t, "", ""), Resumed: func(rows int64) { resumed = rows }}
			n, err = audience.Load(t.Context(), k, in, l.InBatches(3))
			return resumed, n, err
		}
		left, buffer := io.Pipe()
		took, over := make(chan struct{}, 100), make(chan error, 1)
		go func() {
			_, _, err := load(&heard{s, func() { took <- struct{}{} }}, left)
			_ = left.Close() // nobody reads it any more
			over <- err
		}()
		at := 0
		further := func() {
			n := 3
			if at == 0 { // the header, and what a file is known by
				n = 31
			}
			if at+n > len(lines) {
				return
			}
			if _, err := io.WriteString(buffer, strings.Join(lines[at:at+n], "")); err == nil {
				at += n
				for range n / 3 {
					<-took
				}
			}
		}
		further()
		resumed, n, err := load(&pressed{s, further}, streamed(strings.Join(lines, "")))
		if err != nil || resumed < 30 || n.Recipients != 60 || n.Rows != 60 {
			t.Errorf("behind row %d: %+v, %v", resumed, n, err)
		}
		_ = buffer.CloseWithError(errTorn)
		if err := <-over; !errors.Is(err, notifier.ErrConflict) && !errors.Is(err, errTorn) {
			t.Errorf("what was left ended with %v", err)
		}
	})
}
