package faulttest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"allclear/notifier/ledgertest"
)

// What a crowd's file holds beside its people's rows, and which of them have a
// mailbox of their own kind.
const (
	nobodys    = 7 // rows without an address
	unusable   = 3 // rows whose address is none
	mostRows   = 500
	shownRows  = 50 // of the table in a mail; with more the whole is attached
	greylisted = 1
	refusing   = 2
)

// crowd is people with 1 to 500 rows each. Every row holds a word that says
// whose it is, in figures and by a secret, and which of theirs.
type crowd struct {
	n   int
	key string
}

func newCrowd(n int) crowd { return crowd{n: n, key: word(8)} }

func (c crowd) address(i int) string { return fmt.Sprintf("heron%06d@example.com", i) }

// rows is how many somebody has: few most of them, some very many.
func (c crowd) rows(i int) int {
	switch i {
	case 0:
		return 1
	case 3:
		return mostRows
	}
	u := float64(i*7919%10007) / 10006
	return 1 + int(float64(mostRows-1)*u*u*u*u*u*u)
}

// total is how many rows they have together.
func (c crowd) total() (all int64) {
	for i := range c.n {
		all += int64(c.rows(i))
	}
	return all
}

func (c crowd) word(i, row int) string {
	h := fnv.New64a()
	fmt.Fprint(h, c.key, i)
	secret, sum := make([]byte, 6), h.Sum64()
	for k := range secret {
		secret[k] = 'a' + byte(sum%26)
		sum /= 26
	}
	return fmt.Sprintf("canary%06d%s%03d", i, secret, row)
}

// readers are all of them as the ledger is to know them.
func (c crowd) readers() (out []ledgertest.Reader) {
	for i := range c.n {
		out = append(out, ledgertest.Reader{Address: c.address(i)})
	}
	return out
}

// addresses are those of all of them.
func (c crowd) addresses() (out []string) {
	for i := range c.n {
		out = append(out, c.address(i))
	}
	return out
}

// mixed is how many people's rows are mixed with each other in the file.
const mixed = 50

// write writes their file, in which nobody's rows stand together.
func (c crowd) write(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "restored.csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprint(w, "email,subject,date,folder\n", strings.Repeat(",Lost,2026-11-20,Inbox\n", nobodys), strings.Repeat("nobody,Lost,2026-11-20,Inbox\n", unusable))
	for from := 0; from < c.n; from += mixed {
		for row := 1; row <= mostRows; row++ {
			for i := from; i < min(from+mixed, c.n); i++ {
				if row <= c.rows(i) {
					fmt.Fprintf(w, "%s,\"About %s, thanks\",2026-11-20 09:12,Inbox\n", c.address(i), c.word(i, row))
				}
			}
		}
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// inMails finds what may be somebody's word.
var inMails = regexp.MustCompile(`canary[0-9a-z]*`)

// wrong says what is wrong with a mail to one of them: it must hold all rows of
// its recipient in the order of the file, and none of anybody else.
func (c crowd) wrong(to string, content []byte) string {
	i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(to, "heron"), "@example.com"))
	if err != nil {
		return "" // a follower's
	}
	leaves, err := readLeaves(content)
	if err != nil {
		return err.Error()
	}
	seen := map[string]int{}
	for _, l := range leaves {
		seen[l.kind]++
		want := c.rows(i)
		if l.kind != "text/csv" {
			want = min(want, shownRows)
		}
		var got []string
		for _, w := range inMails.FindAllString(string(l.text), -1) {
			if len(got) == 0 || got[len(got)-1] != w {
				got = append(got, w)
			}
		}
		if len(got) != want {
			return fmt.Sprintf("its %s holds %d rows, want %d: %.200q", l.kind, len(got), want, got)
		}
		for k, w := range got {
			if w != c.word(i, k+1) {
				return fmt.Sprintf("row %d of its %s is %s, want %s", k+1, l.kind, w, c.word(i, k+1))
			}
		}
	}
	attached := 0
	if c.rows(i) > shownRows {
		attached = 1
	}
	if seen["text/plain"] != 1 || seen["text/html"] != 1 || seen["text/csv"] != attached || len(leaves) != 2+attached {
		return fmt.Sprintf("it has %d rows and is made of %v", c.rows(i), seen)
	}
	return ""
}

// leaf is a part of a mail that has none itself.
type leaf struct {
	kind string
	text []byte
}

func readLeaves(content []byte) ([]leaf, error) {
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return leavesOf(m.Header.Get, m.Body)
}

func leavesOf(header func(string) string, body io.Reader) (out []leaf, err error) {
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(kind, "multipart/") {
		switch strings.ToLower(header("Content-Transfer-Encoding")) {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, body)
		case "quoted-printable":
			body = quotedprintable.NewReader(body)
		}
		text, err := io.ReadAll(body)
		return []leaf{{kind, text}}, err
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		more, err := leavesOf(p.Header.Get, p)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
}

// The control: a mail that lacks a row, has one twice, has one of another, or
// has them in another order is noticed, wherever it stands.
func TestACrowdsMailThatIsNotItsReadersIsNoticed(t *testing.T) {
	t.Parallel()
	c := newCrowd(9)
	const who = 7 // some rows, and fewer than are shown
	rows := func() (all []string) {
		for k := range c.rows(who) {
			all = append(all, c.word(who, k+1))
		}
		return all
	}
	mailOf := func(html, text []string, more string) []byte {
		return []byte("Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\n" + strings.Join(text, ", ") +
			"\r\n--x\r\nContent-Type: text/html\r\n\r\n" + strings.Join(html, "<br>") + more + "\r\n--x--\r\n")
	}
	if n := c.rows(who); n < 3 || n > shownRows {
		t.Fatalf("%d rows are not what this test is about", n)
	}
	if said := c.wrong(c.address(who), mailOf(rows(), rows(), "")); said != "" {
		t.Errorf("of a right mail: %s", said)
	}
	swapped := rows()
	swapped[0], swapped[1] = swapped[1], swapped[0]
	for name, content := range map[string][]byte{
		"a row less":          mailOf(rows()[1:], rows(), ""),
		"a row less in text":  mailOf(rows(), rows()[1:], ""),
		"a row twice":         mailOf(append(rows(), rows()[0]), rows(), ""),
		"another's":           mailOf(rows(), append(rows(), c.word(who+1, 1)), ""),
		"another's instead":   mailOf(append(rows()[1:], c.word(who+1, 1)), rows(), ""),
		"in another order":    mailOf(swapped, rows(), ""),
		"another's attached":  mailOf(rows(), rows(), "\r\n--x\r\nContent-Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte(c.word(who+1, 1)))),
		"a secret of another": mailOf(append(rows()[1:], newCrowd(9).word(who, 1)), rows(), ""),
		"no mail":             []byte("nonsense"),
	} {
		if c.wrong(c.address(who), content) == "" {
			t.Errorf("%s is not noticed", name)
		}
	}
	if slices.Max([]int{c.rows(0), c.rows(3)}) != mostRows || c.rows(0) != 1 {
		t.Error("nobody has 1 row, or nobody has 500")
	}
}
