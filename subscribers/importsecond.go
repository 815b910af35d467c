package subscribers

import (
	"context"
	"errors"

	"allclear/notifier"
)

// seconds is what became of the second addresses that some rows name.
type seconds struct {
	taken   int
	refused []RowError
}

// seconds gives those of a batch who were added or changed the second addresses
// that their rows name. An empty cell says nothing about one that is there.
func (in *importer) seconds(ctx context.Context, batch []Subscriber, lines []int, fates []Imported, errs []error) (out seconds, err error) {
	for i, s := range batch {
		if errs[i] == nil && (fates[i] == ImportAdded || fates[i] == ImportChanged) {
			if err := in.second(ctx, s, lines[i], &out); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// second is seconds for one row. Why one cannot be had is told of its line.
func (in *importer) second(ctx context.Context, s Subscriber, line int, out *seconds) error {
	if s.Second.Address == "" || s.State == Unsubscribed {
		return nil
	}
	to, ok := in.to.(SecondImporter)
	if !ok {
		out.refused = append(out.refused, RowError{line, "second_address", "second addresses cannot be brought in here"})
		return nil
	}
	second, confirm := s.Second, in.o.Confirm
	if second.State = Pending; in.o.Active && s.State == Active { // who is asked has not answered for another address
		second.State, confirm = Active, nil
	}
	err := to.SetSecondAt(ctx, s, second, confirm)
	var bad *notifier.Invalid
	switch {
	case err == nil:
		out.taken++
	case errors.As(err, &bad):
		out.refused = append(out.refused, RowError{line, "second_address", bad.Message})
	case errors.Is(err, notifier.ErrConflict):
		out.refused = append(out.refused, RowError{line, "second_address", err.Error()})
	default:
		return err
	}
	return nil
}

func (in *importer) countSeconds(x seconds) {
	in.report.Seconds += x.taken
	in.report.SecondsRefused += len(x.refused)
	for _, e := range x.refused {
		if len(in.report.Errors) < maxRowErrors {
			in.report.Errors = append(in.report.Errors, e)
		}
	}
}
