package api

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strings"

	"allclear/notifier"
)

// AllMissing accepts that recipients lack what the mail needs, however many.
const AllMissing = math.MaxInt64

// Sendable refuses to send a notice that could be written to nobody: its text
// cannot be read, or needs what no row has. Where only some recipients lack what
// it needs the order must say how many.
func Sendable(ctx context.Context, figures NoticeFigures, n notifier.Notice, o notifier.NoticeOrder, d NoticeDesk) error {
	if n.Recipients == 0 { // the store says that
		return nil
	}
	columns, err := figures.AudienceColumns(ctx, n.ID)
	if err != nil {
		return err
	}
	if err := readable(n, columnNames(columns), d.Letters); err != nil {
		return err
	}
	gaps, err := gapsOf(ctx, figures, n, columns, d.Needs(n.Template))
	if err != nil {
		return err
	}
	var most int64
	var all []string
	for _, g := range gaps {
		if g.Missing == n.Recipients {
			return notifier.Invalidf("audience", "%s", g.tell(n.Recipients))
		}
		most, all = max(most, g.Missing), append(all, g.tell(n.Recipients))
	}
	if o.AcceptMissing != most && o.AcceptMissing != AllMissing {
		if most == 0 {
			return notifier.Refuse(notifier.ErrConflict, "%d recipients who lack something were accepted, and there are none", o.AcceptMissing)
		}
		return notifier.Refuse(notifier.ErrConflict, "%s: mend the file, or accept %d missing to send it to the others", strings.Join(all, "; "), most)
	}
	return nil
}

// columnNames are those of an audience; not nil, as there is one.
func columnNames(columns []notifier.Column) []string {
	names := []string{}
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

var columnTag = regexp.MustCompile(`\{\{\s*([^{}"\s][^{}"]*?)\s*\}\}`)

// tagKey is a column's name as names are compared.
func tagKey(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }

// gapsOf are the columns that the mail needs and recipients have not, or empty:
// in their first row what the text asks, in any what the template needs.
// A subject of mail that was lost may be empty: there are mails without one.
func gapsOf(ctx context.Context, figures NoticeFigures, n notifier.Notice, columns []notifier.Column, needed []string) ([]ColumnGap, error) {
	tags := map[string]bool{}
	for _, tag := range columnTag.FindAllStringSubmatch(n.Subject+" "+n.Body, -1) {
		tags[tagKey(tag[1])] = true
	}
	var whole map[string]int64
	if len(needed) > 0 {
		var err error
		if whole, err = figures.AudienceWhole(ctx, n.ID); err != nil {
			return nil, err
		}
	}
	var out []ColumnGap
	account, told := tags["account"], map[string]bool{}
	for _, c := range columns {
		key := tagKey(c.Name)
		if key == "account" {
			account = false
		}
		gap := ColumnGap{Name: c.Name}
		if tags[key] {
			gap.Missing = n.Recipients - c.Filled
		}
		if have, known := whole[key]; known && slices.Contains(needed, key) && !told[key] {
			told[key] = true
			if missing := n.Recipients - have; missing > gap.Missing {
				gap.Missing, gap.later = missing, missing > n.Recipients-c.Filled
			}
		}
		if gap.Missing > 0 {
			out = append(out, gap)
		}
	}
	if !account {
		return out, nil
	}
	known, err := figures.AudienceAccounts(ctx, n.ID)
	if missing := n.Recipients - known; err == nil && missing > 0 {
		out = append(out, ColumnGap{Name: "account", Missing: missing})
	}
	return out, err
}
