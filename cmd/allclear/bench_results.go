package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// results is what was measured on each database. It is kept in a folder, so
// that two runs, one on each, make one table and one picture.
type results struct {
	SQLite   *outcome `json:"sqlite"`
	Postgres *outcome `json:"postgres"`
}

// outcome is what was measured on a database, by the last run that did.
type outcome struct {
	Notes    []string `json:"notes"` // what is to be said of all of it
	Figures  []figure `json:"figures"`
	Signed   *cpuTime `json:"signed"`
	Unsigned *cpuTime `json:"unsigned"`
	Growth   []step   `json:"growth"`
}

// cpuTime is milliseconds per 1,000 mails by part; nil where they are not known.
type cpuTime struct {
	Signer   string             `json:"signer"`
	Loop     map[string]float64 `json:"loop"`
	Pipeline map[string]float64 `json:"pipeline"`
	Server   *float64           `json:"server"`
}

// The files in the folder: what is known, and what is made of it.
const (
	resultsFile  = "figures.json"
	tablesFile   = "figures.md"
	growthFile   = "growth.svg"
	profileFile  = "profile.svg"
	partOfServer = "server"
)

// openResults reads what the folder has; nothing where it is new.
func openResults(folder string) (results, error) {
	var r results
	raw, err := os.ReadFile(filepath.Join(folder, resultsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return results{&outcome{}, &outcome{}}, nil
	}
	if err != nil {
		return r, fmt.Errorf("read results: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil || r.SQLite == nil || r.Postgres == nil {
		return r, &usageError{"--results: " + filepath.Join(folder, resultsFile) + " was not written by bench"}
	}
	return r, nil
}

func (r results) of(postgres bool) *outcome {
	switch {
	case r.SQLite == nil:
		return &outcome{} // nobody keeps it
	case postgres:
		return r.Postgres
	}
	return r.SQLite
}

// took puts figures in the place of those that were there.
func (o *outcome) took(all []figure) {
	for _, f := range all {
		if i := slices.IndexFunc(o.Figures, func(g figure) bool { return g.Measure == f.Measure && g.What == f.What }); i >= 0 {
			o.Figures[i] = f
		} else {
			o.Figures = append(o.Figures, f)
		}
	}
}

// cpu keeps where the CPU time of a comparison went.
func (o *outcome) cpu(r *ratioReport) {
	c := &cpuTime{Signer: r.Signer, Loop: map[string]float64{}, Pipeline: map[string]float64{}}
	for _, part := range cpuParts() {
		c.Loop[part], c.Pipeline[part] = rounded(r.per1000(r.loops[0].cpu[part]), 1), rounded(r.per1000(r.pipeline.cpu[part]), 1)
	}
	if !r.unseen && r.dialect == "postgres" {
		server := rounded(r.per1000(r.pipeline.server), 1)
		c.Server = &server
	}
	if r.Signed {
		o.Signed = c
	} else {
		o.Unsigned = c
	}
}

// write keeps what is known, and makes the tables and the pictures of it.
func (r results) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // for everyone to read
		return fmt.Errorf("write results: %w", err)
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{resultsFile: raw, tablesFile: []byte(r.tables())}
	if r.SQLite.Growth != nil || r.Postgres.Growth != nil {
		files[growthFile] = []byte(r.drawGrowth())
	}
	if len(r.bars()) > 0 {
		files[profileFile] = []byte(drawProfile(r.bars()))
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil { //nolint:gosec // for everyone to read
			return fmt.Errorf("write results: %w", err)
		}
	}
	return nil
}

// tables are the figures as docs/performance.md shows them, to be pasted there.
func (r results) tables() string {
	var b strings.Builder
	for i, o := range []*outcome{r.SQLite, r.Postgres} {
		for _, note := range o.Notes {
			fmt.Fprintf(&b, "%s: %s\n\n", []string{"SQLite", "PostgreSQL"}[i], note)
		}
	}
	for _, part := range [][]string{{ratioName}, {acceptName, firstName, overtakeName, noticeName, fanoutName, expansionName, progressName, memoryName, relayName, historyName}, {growthName}} {
		r.table(&b, part)
	}
	r.cpuTable(&b)
	return b.String()
}

// table has a row for each figure of some measures.
func (r results) table(b *strings.Builder, names []string) {
	b.WriteString("| measure | what | target | SQLite | PostgreSQL |\n|---|---|---:|---:|---:|\n")
	for _, name := range names {
		var rows []string
		for _, f := range slices.Concat(r.SQLite.Figures, r.Postgres.Figures) {
			if f.Measure != name || slices.Contains(rows, f.What) {
				continue
			}
			rows = append(rows, f.What)
			var target string
			cells := [2]string{"not taken", "not taken"}
			for i, o := range []*outcome{r.SQLite, r.Postgres} {
				for _, g := range o.Figures {
					if g.Measure != name || g.What != f.What {
						continue
					}
					cells[i] = g.cell()
					if g.Target != nil {
						target = g.target() + " " + g.Unit
					}
				}
			}
			fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", name, f.What, strings.TrimSpace(target), cells[0], cells[1])
		}
	}
	b.WriteString("\n")
}

// cell is a value as it stands in a table; what misses its target is in bold.
func (f figure) cell() string {
	text := strings.TrimSpace(figureText(f.Value) + " " + f.Unit)
	if !f.OK {
		text = "**" + text + "**"
	}
	if f.Rounds < 2 {
		text += " ¹"
	}
	return text
}

// cpuTable has a column for each of the bars.
func (r results) cpuTable(b *strings.Builder) {
	bars := r.bars()
	if len(bars) == 0 {
		return
	}
	b.WriteString("| part |")
	for _, bar := range bars {
		fmt.Fprintf(b, " %s |", bar.title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(bars)) + "\n")
	for _, part := range append(cpuParts(), partOfServer) {
		fmt.Fprintf(b, "| %s |", part)
		for _, bar := range bars {
			text := ""
			if v, ok := bar.ms[part]; ok {
				text = fmt.Sprintf("%.0f", v)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
}
