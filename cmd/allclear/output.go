package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// printJSON writes v on lines a person can read too.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// width is what tables are made for; the last column takes what is left.
const width = 80

// table prints rows under heads in aligned columns. A head that begins with >
// is of numbers and is aligned to the end. What does not fit into the width is cut in
// the last column only, because the first ones hold what is typed again.
type table struct {
	heads []string
	rows  [][]string
}

func newTable(heads ...string) *table { return &table{heads: heads} }

func (t *table) add(cells ...any) {
	row := make([]string, len(t.heads))
	for i := range row {
		row[i] = strings.Join(strings.FieldsFunc(fmt.Sprint(cells[i]), func(r rune) bool { return r < 0x20 || r == 0x7f }), " ")
		if row[i] == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

func (t *table) print(w io.Writer) error {
	widths := make([]int, len(t.heads))
	for _, row := range append([][]string{t.heads}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(strings.TrimPrefix(c, ">")))
		}
	}
	used := 0
	for _, n := range widths[:len(widths)-1] {
		used += n + 2
	}
	last := len(widths) - 1
	widths[last] = min(widths[last], max(width-used, 12))
	var b strings.Builder
	for n, row := range append([][]string{t.heads}, t.rows...) {
		var line strings.Builder
		for i, c := range row {
			right := strings.HasPrefix(t.heads[i], ">")
			if n == 0 {
				c = strings.ToUpper(strings.TrimPrefix(c, ">"))
			}
			if i == last {
				c = cut(c, widths[i])
			}
			pad := strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(c), 0))
			switch {
			case right:
				line.WriteString(pad + c)
			default:
				line.WriteString(c + pad)
			}
			if i < last {
				line.WriteString("  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cut shortens s to n characters and shows that it did.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// stamp prints an instant in UTC, which is what operators compare; "-" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// jsonTime is an instant for --json: null for none.
func jsonTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// count prints n with a comma between thousands.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is "1 thing" or "2 things".
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// all joins a list, or says what an empty one means.
func all[T ~string](list []T, empty string) string {
	if len(list) == 0 {
		return empty
	}
	words := make([]string, len(list))
	for i, l := range list {
		words[i] = string(l)
	}
	return strings.Join(words, ", ")
}

// words spells a state for people: partial_outage is "partial outage".
func words(state string) string { return strings.ReplaceAll(state, "_", " ") }
