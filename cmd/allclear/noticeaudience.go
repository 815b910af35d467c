package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/templates"
)

// audienceFlags say how another team's file is to be read.
type audienceFlags struct {
	Map           []string `sep:"none" placeholder:"OURS:THEIRS" help:"A column of the file and our name for it, such as email:E-Mail; may be repeated."`
	Numbers       []string `placeholder:"COLUMNS" help:"Columns whose numbers are amounts, such as count,size: they are written as each reader's language does; any other number is printed as it stands."`
	Delimiter     string   `placeholder:"NAME" help:"comma, semicolon, tab or pipe; default: what the header uses."`
	Encoding      string   `placeholder:"NAME" help:"utf-8, utf-16 or windows-1252; default: UTF-8, or what the file begins with."`
	ExcludeNotice string   `placeholder:"ID" help:"Leave out whom this other notice was sent to, in a correction."`
}

// query writes them as the API takes them.
func (f audienceFlags) query() string {
	v := url.Values{}
	for _, m := range f.Map {
		v.Add("map", m)
	}
	if len(f.Numbers) > 0 {
		v.Set("numbers", strings.Join(f.Numbers, ","))
	}
	for name, value := range map[string]string{"delimiter": f.Delimiter, "encoding": f.Encoding, "exclude_notice": f.ExcludeNotice} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

type noticeAudienceCmd struct {
	ID      string `arg:"" help:"The notice."`
	File    string `arg:"" optional:"" help:"CSV or NDJSON; - is standard input."`
	Members string `placeholder:"KEY" help:"Whoever lives on this component, in place of a file."`
	Append  bool   `help:"Add to the audience (mended rows, say) in place of replacing it."`
	audienceFlags
	Clock
	Base
}

// Help says what the file looks like.
func (c *noticeAudienceCmd) Help() string {
	return `Columns: email (or address), and where there are any channel (email or sms), language, timezone and account; every other column is data for the template, under the name that its header or --map gives it. Rows of one address are one recipient's, in the order of the file. A row that cannot be used is rejected with its line and a reason ("allclear notice rejects" gives them back); rows that name nobody are counted. The same file again changes nothing. Where reading it broke off (interrupted, killed), the same command goes on behind the rows that are there already, for a day. A cell is printed as it stands in the file, but for times (2026-11-20 09:12 is shown in the reader's zone; without an offset it is read in --timezone) and what stands in the columns of --numbers. Where the file cannot be understood the audience stays as it was.`
}

func (c *noticeAudienceCmd) Run(a *app) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	if (c.File == "") == (c.Members == "") {
		return &usageError{"name a file, or the component whose --members it is for"}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if c.Members != "" {
			return a.takeMembers(ctx, db, c)
		}
		_, err := a.loadAudience(ctx, db, c.ID, c.File, !c.Append, c.audienceFlags, zone)
		return err
	})
}

// takeMembers makes who lives on a component the audience.
func (a *app) takeMembers(ctx context.Context, db *store.Store, c *noticeAudienceCmd) error {
	query := c.query()
	if query != "" {
		query += "&"
	}
	n, _, err := audienceFiles{db: db}.LoadAudience(ctx, c.ID, !c.Append, nil, query+"members="+url.QueryEscape(c.Members), "")
	if err != nil {
		return noNotice(err, c.ID)
	}
	return a.printAudience(ctx, db, n, n.Rejected)
}

var (
	inURL     = regexp.MustCompile(`\b(map|numbers|delimiter|encoding|timezone)=(\S.*?) \(in a URL: [^)]*\)`)
	parameter = regexp.MustCompile(`\b(map|numbers|delimiter|encoding|timezone)=(\S)`)
)

// asFlags spells the API's parameters in a sentence as flags of the command line.
func asFlags(text string) string {
	return parameter.ReplaceAllString(inURL.ReplaceAllString(text, "--$1 '$2'"), "--$1 $2")
}

// flagged is an error in the words of the command line.
func flagged(err error) error {
	var inv *notifier.Invalid
	if !errors.As(err, &inv) || asFlags(inv.Message) == inv.Message {
		return err
	}
	return notifier.Invalidf(inv.Field, "%s", asFlags(inv.Message))
}

// firstRejects is how many rejects are printed.
const firstRejects = 10

// loadAudience reads a file, shows how far it is, and tells what came of it.
// Where that broke off it reports whether a part is kept, and tells how to go on.
func (a *app) loadAudience(ctx context.Context, db *store.Store, id, file string, replace bool, f audienceFlags, zone *time.Location) (kept bool, err error) {
	before, err := db.Notice(ctx, id)
	if err != nil {
		return false, noNotice(err, id)
	}
	if replace {
		before.Rejected = 0
	}
	var n notifier.Notice
	var behind int64
	err = a.reading(file, func(in io.Reader, contentType string, progress func(int64)) error {
		var err error
		resumed := func(rows int64) {
			fmt.Fprintf(a.err, "going on behind row %s, where an earlier upload of this file broke off\n", count(rows))
		}
		files := audienceFiles{db: db, zone: zone, progress: progress, resumed: resumed, kept: func(rows int64) { behind = rows }}
		n, _, err = files.LoadAudience(ctx, id, replace, in, f.query(), contentType)
		return err
	})
	if kept = behind > 0; kept {
		fmt.Fprintf(a.err, "it broke off behind row %s; what was read is kept for a day, and allclear notice audience %s %s, with the same options, goes on there\n", count(behind), id, file)
	}
	if err != nil {
		return kept, flagged(interrupted(ctx, err))
	}
	return false, errors.Join(a.printAudience(ctx, db, n, before.Rejected), a.warnOfLacks(ctx, db, n))
}

// warnOfLacks tells which columns a notice asks for that its file has not.
func (a *app) warnOfLacks(ctx context.Context, db *store.Store, n notifier.Notice) error {
	columns, err := db.AudienceColumns(ctx, n.ID)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	for _, lack := range templates.NoticeLacks(n, names) {
		warn(a.err, []string{asFlags(lack.Error())})
	}
	return nil
}

// reading opens a file (- is standard input) for do, and shows how far it is read.
func (a *app) reading(file string, do func(in io.Reader, contentType string, progress func(int64)) error) error {
	counted, size := &countingReader{r: a.in}, int64(0)
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer opened.Close()
		counted.r = opened
		if info, err := opened.Stat(); err == nil && info.Mode().IsRegular() {
			counted.seeker, size = opened, info.Size()
		}
	}
	contentType := ""
	if ext := strings.ToLower(filepath.Ext(file)); ext == ".ndjson" || ext == ".jsonl" {
		contentType = "application/x-ndjson"
	}
	m := a.meter("bytes read", size)
	defer m.close()
	return do(counted, contentType, func(int64) { m.set(counted.n) })
}

// printAudience tells whom a notice is for by now, and which rows of the file
// could not be used: those behind as many as there were before.
func (a *app) printAudience(ctx context.Context, db *store.Store, n notifier.Notice, before int64) error {
	if n.Rejected > before {
		first, _, err := db.Rejects(ctx, n.ID, before, firstRejects)
		if err != nil {
			return err
		}
		for _, r := range first {
			fmt.Fprintf(a.err, "line %d: %s\n", r.Line, asFlags(r.Reason))
		}
		if more := n.Rejected - before - int64(len(first)); more > 0 {
			fmt.Fprintf(a.err, "and %s more\n", plural(more, "rejected row"))
		}
		fmt.Fprintf(a.err, "allclear notice rejects %s gives them back; mended, notice audience --append takes them, and notice rejects %s --forget drops them\n", n.ID, n.ID)
	}
	_, err := io.WriteString(a.out, audienceWords(n)+"\n")
	return err
}
