package api

import (
	"context"
	"fmt"
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
	var all []string
	for _, g := range gaps.columns {
		if g.Missing == n.Recipients {
			return notifier.Invalidf("audience", "%s", g.tell(n.Recipients))
		}
		all = append(all, g.tell(n.Recipients))
	}
	if together := gaps.tell(n.Recipients); together != "" {
		all = append(all, together)
	}
	switch said := strings.Join(all, "; "); {
	case gaps.people == n.Recipients:
		return notifier.Invalidf("audience", "%s", said)
	case o.AcceptMissing == gaps.people || o.AcceptMissing == AllMissing:
		return nil
	case gaps.people == 0:
		return notifier.Refuse(notifier.ErrConflict, "%d recipients who lack something were accepted, and there are none", o.AcceptMissing)
	default:
		return notifier.Refuse(notifier.ErrConflict, "%s: mend the file, or accept %d missing to send it to the others", said, gaps.people)
	}
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

// gaps are who lacks what the mail needs.
type gaps struct {
	columns []ColumnGap
	people  int64 // recipients who lack any of it, each counted once: they are sent nothing
}

// tell says how many they are together, where the columns do not.
func (g *gaps) tell(of int64) string {
	switch {
	case len(g.columns) == 0, len(g.columns) == 1 && g.columns[0].Missing == g.people:
		return ""
	case g.people == of:
		return "nobody of the audience has all that the mail needs"
	case g.people == 1:
		return "together that is 1 recipient, who is sent nothing"
	}
	return fmt.Sprintf("together that is %d recipients, who are sent nothing", g.people)
}

// gapsOf are the columns that the mail needs and recipients have not, or empty:
// in their first row what the text asks, in any what the template needs.
// A subject of mail that was lost may be empty: there are mails without one.
func gapsOf(ctx context.Context, figures NoticeFigures, n notifier.Notice, columns []notifier.Column, needed []string) (out gaps, err error) {
	tags := map[string]bool{}
	for _, tag := range columnTag.FindAllStringSubmatch(n.Subject+" "+n.Body, -1) {
		tags[notifier.ColumnKey(tag[1])] = true
	}
	var whole map[string]int64
	if len(needed) > 0 {
		if whole, err = figures.AudienceWhole(ctx, n.ID); err != nil {
			return out, err
		}
	}
	need := notifier.Needing{}
	account, told := tags["account"], map[string]bool{}
	for _, c := range columns {
		key := notifier.ColumnKey(c.Name)
		if key == "account" {
			account = false
		}
		gap := ColumnGap{Name: c.Name}
		if tags[key] {
			// What the template needs of every row is counted there, but an empty subject.
			if gap.Missing = n.Recipients - c.Filled; gap.Missing > 0 && (key == "subject" || !slices.Contains(needed, key)) {
				need.First = append(need.First, key)
			}
		}
		if have, known := whole[key]; known && slices.Contains(needed, key) && !told[key] {
			told[key] = true
			missing := n.Recipients - have
			if missing > 0 {
				need.Rows = needed
			}
			if missing > gap.Missing {
				gap.Missing, gap.later = missing, missing > n.Recipients-c.Filled
			}
		}
		if gap.Missing > 0 {
			out.columns = append(out.columns, gap)
		}
	}
	if account {
		known, err := figures.AudienceAccounts(ctx, n.ID)
		if err != nil {
			return out, err
		}
		if missing := n.Recipients - known; missing > 0 {
			out.columns, need.Account = append(out.columns, ColumnGap{Name: "account", Missing: missing}), true
		}
	}
	nobody := slices.ContainsFunc(out.columns, func(g ColumnGap) bool { return g.Missing >= n.Recipients })
	switch {
	case len(out.columns) == 0:
	case nobody: // no need to look at each
		out.people = n.Recipients
	case len(out.columns) == 1 && (need.Rows == nil || need.First == nil):
		out.people = out.columns[0].Missing
	default:
		out.people, err = figures.AudienceLacking(ctx, n.ID, need)
	}
	return out, err
}
