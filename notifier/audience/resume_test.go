package audience_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"allclear/notifier"
	"allclear/notifier/audience"
	"allclear/store/storetest"
)

// shop is a real store, and one of its notices at hand.
type shop struct {
	audience.Keeper
	t  *testing.T
	db interface {
		CreateNotice(ctx context.Context, n notifier.Notice) error
		Notice(ctx context.Context, id string) (notifier.Notice, error)
		Recipient(ctx context.Context, notice string, place int64) (notifier.Recipient, error)
		RecipientSizes(ctx context.Context, notice string) (smallest, median, largest int64, err error)
		Rejects(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reject, int64, error)
		AudienceColumns(ctx context.Context, notice string) ([]notifier.Column, error)
		AudienceWhole(ctx context.Context, notice string) (map[string]int64, error)
		AudienceBreakdown(ctx context.Context, notice string) (notifier.Breakdown, error)
		AudienceHead(ctx context.Context, notice string, limit int) ([][]notifier.Field, error)
	}
}

func eachShop(t *testing.T, test func(t *testing.T, s *shop)) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open()
		test(t, &shop{db, t, db})
	})
}

func (s *shop) draft(id string) {
	s.t.Helper()
	if err := s.db.CreateNotice(s.t.Context(), notifier.Notice{ID: id, Title: "Restore", Template: notifier.RestoreCompleted, Body: "x"}); err != nil {
		s.t.Fatal(err)
	}
}

// load brings a file, three rows at a time, and tells how many were there before.
func (s *shop) load(id string, replace bool, in io.Reader, query string) (resumed int64, n notifier.Notice, err error) {
	l := audience.Loading{Notice: id, Replace: replace, Options: options(s.t, query, ""), Resumed: func(rows int64) { resumed = rows }}
	n, err = audience.Load(s.t.Context(), s, in, l.InBatches(3))
	return resumed, n, err
}

// whole is load of what must be taken.
func (s *shop) whole(id string, replace bool, file, query string) notifier.Notice {
	s.t.Helper()
	_, n, err := s.load(id, replace, streamed(file), query)
	if err != nil {
		s.t.Fatalf("load %q: %v", file, err)
	}
	return n
}

// left is how many uploads could be gone on with.
func (s *shop) left(id string, replace bool) int {
	s.t.Helper()
	left, err := s.LeftAudiences(s.t.Context(), id, replace)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(left)
}

// all is everything that is known of a notice's audience.
func (s *shop) all(id string) any {
	s.t.Helper()
	n, err := s.db.Notice(s.t.Context(), id)
	type known struct {
		Recipients, Rows, Rejected, Without, Twins int64
		People                                     []notifier.Recipient
		Rejects                                    []notifier.Reject
		Columns                                    []notifier.Column
		Whole                                      map[string]int64
		Parts                                      notifier.Breakdown
		Head                                       [][]notifier.Field
		Sizes                                      [3]int64
	}
	out := known{Recipients: n.Recipients, Rows: n.Rows, Rejected: n.Rejected, Without: n.WithoutAddress, Twins: n.CaseTwins}
	must := func(err error) {
		if err != nil && !errors.Is(err, notifier.ErrNotFound) {
			s.t.Helper()
			s.t.Fatal(err)
		}
	}
	must(err)
	for place := range n.Recipients {
		r, err := s.db.Recipient(s.t.Context(), id, place+1)
		must(err)
		out.People = append(out.People, r)
	}
	out.Rejects, _, err = s.db.Rejects(s.t.Context(), id, 0, 1000)
	must(err)
	out.Columns, err = s.db.AudienceColumns(s.t.Context(), id)
	must(err)
	out.Whole, err = s.db.AudienceWhole(s.t.Context(), id)
	must(err)
	out.Parts, err = s.db.AudienceBreakdown(s.t.Context(), id)
	must(err)
	out.Head, err = s.db.AudienceHead(s.t.Context(), id, 5)
	must(err)
	out.Sizes[0], out.Sizes[1], out.Sizes[2], err = s.db.RecipientSizes(s.t.Context(), id)
	must(err)
	return out
}

// streamed cannot be read twice.
func streamed(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }

var errTorn = errors.New("connection reset")

// torn breaks off behind so many bytes.
func torn(text string, at int) io.Reader {
	return io.MultiReader(strings.NewReader(text[:at]), iotestErr{errTorn})
}

// sheet is a file of some format and encoding, and how it is read.
type sheet struct {
	lines  []string // but the header
	other  string   // a line that is none of them
	header string
	query  string
	encode func(string) string
}

func (s sheet) text() string { return s.encode(s.header + strings.Join(s.lines, "")) }

// drawn is a file with everything in it that a file may have.
func drawn(dice *rand.Rand) sheet {
	pick := func(of ...string) string { return of[dice.IntN(len(of))] }
	s := sheet{other: `{"email":"new@example.com"}` + "\n", encode: func(text string) string { return text }}
	csv := dice.IntN(4) > 0
	high := []string{"é", "ß", "Oslo"}
	if csv {
		s.header, s.other = "email;name;date;language\r\n", "new@example.com;1;;\n"
		switch dice.IntN(5) {
		case 0:
			s.encode = func(text string) string { return wide(littleEndian, "\ufeff"+text) }
			high = append(high, "😀", "ਊ")
		case 1:
			s.encode = func(text string) string { return "\ufeff" + text }
		case 2:
			s.query = "encoding=windows-1252"
			s.encode = func(text string) string {
				out, _ := charmap.Windows1252.NewEncoder().String(text)
				return out
			}
		case 3:
			s.header, s.query = "E-Mail;name;date;language\n", "map=email:E-Mail&timezone=Europe/Oslo"
		}
	}
	for i := range 8 + dice.IntN(12) {
		to := pick("ann@example.com", "ann@example.com", "Ann@example.com", "bo@example.org", "caro@EXAMPLE.net", "", "kaputt", fmt.Sprintf("u%d@example.com", i))
		name, date := fmt.Sprint(i, pick(high...)), pick("2026-11-20", "2026-11-20 09:12", "", "soon")
		if !csv {
			line, _ := json.Marshal(map[string]any{"email": to, "name": name, pick("date", "size"): i})
			s.lines = append(s.lines, pick(string(line), string(line), string(line), `{"email":`)+"\n")
			continue
		}
		name = pick(name, name, `"`+name+"\n; \"\"x\"\"\"", `"`+name+`"`)
		line := strings.Join([]string{to, name, date, pick("en", "", "de", "not a language")}, ";")
		s.lines = append(s.lines, pick(line, line, line, line, line+";more", "", ";;;")+pick("\n", "\r\n"))
	}
	s.lines = append(s.lines, strings.Replace(s.other, "new", "last", 1)) // so that it holds a row
	return s
}

func TestAFileThatIsCutAnywhereAndSentAgainIsTheAudienceOfOneUpload(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	eachShop(t, func(t *testing.T, s *shop) {
		t.Logf("seed %d", seed)
		dice := rand.New(rand.NewPCG(seed, 0))
		went := 0
		for round := range 12 {
			first, file, replace := drawn(dice), drawn(dice), dice.IntN(3) > 0
			cut, once := fmt.Sprint("cut", round), fmt.Sprint("once", round)
			s.draft(cut)
			s.draft(once)
			s.whole(cut, true, first.text(), first.query)
			before := s.all(cut)
			s.whole(once, true, first.text(), first.query)
			text := file.text()
			for range 1 + dice.IntN(3) {
				if _, _, err := s.load(cut, replace, torn(text, dice.IntN(len(text))), file.query); !errors.Is(err, errTorn) {
					t.Fatalf("round %d: a torn file: %v", round, err)
				}
			}
			if now := s.all(cut); !reflect.DeepEqual(now, before) {
				t.Fatalf("round %d: while the file is not whole\n%+v\nwas\n%+v", round, now, before)
			}
			left := s.left(cut, replace)
			changed := dice.IntN(3) == 0
			if changed { // another file, which begins as that one
				file.lines[dice.IntN(len(file.lines))] = file.other
				text = file.text()
			}
			in := streamed(text)
			if dice.IntN(2) == 0 {
				in = strings.NewReader(text)
			}
			resumed, n, err := s.load(cut, replace, in, file.query)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if left > 1 || !changed && (left == 1) != (resumed > 0) {
				t.Errorf("round %d: %d uploads were left, and it went on behind row %d", round, left, resumed)
			}
			if resumed > 0 {
				went++
			}
			s.whole(once, replace, text, file.query)
			if got, want := s.all(cut), s.all(once); !reflect.DeepEqual(got, want) {
				t.Fatalf("round %d (replace %v), of %q, gone on with behind row %d\n%+v\nwant\n%+v", round, replace, text, resumed, got, want)
			}
			if again := s.whole(cut, replace, text, file.query); again.Edition != n.Edition {
				t.Errorf("round %d: the same file again is edition %d, and was %d", round, again.Edition, n.Edition)
			}
		}
		t.Logf("of 12 files %d were gone on with", went)
	})
}
