package subscribers

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"slices"

	"allclear/notifier"
)

// importBatch is how many rows share a transaction: enough to be quick, few
// enough that nobody waits for it.
const importBatch = 500

// importSeconds is how many rows of a batch may name second addresses: each of
// those is written by itself, and the fan-out waits for all of them.
const importSeconds = 20

// maxRowErrors is how many wrong rows a report spells out; the rest is counted.
const maxRowErrors = 1000

// Importer is what an import writes to.
type Importer interface {
	// ImportSubscribers writes a batch in one transaction and tells each row's
	// fate or error. Of who is there already it replaces what the columns to
	// overwrite say; nil is nothing.
	ImportSubscribers(ctx context.Context, batch []Subscriber, overwrite []string) ([]Imported, []error, error)
	// AddSubscriber adds one, and the event that asks it to confirm.
	AddSubscriber(ctx context.Context, s Subscriber, confirm func(Subscriber) *notifier.Event) (Subscriber, error)
	// KeepImported keeps by what words those who have these addresses agreed, as far as is known.
	KeepImported(ctx context.Context, channel notifier.Channel, addresses []string, c Consent) error
	// Atomic runs do in one transaction that its context carries.
	Atomic(ctx context.Context, do func(ctx context.Context) error) error
}

// SecondImporter is what an Importer has beside it where rows may name second
// addresses. SetSecondAt gives whoever has the address of first a second one, as
// Store.SetSecond does; what it refuses changes nothing.
type SecondImporter interface {
	SetSecondAt(ctx context.Context, first Subscriber, second Second, confirm func(Subscriber) *notifier.Event) error
}

// ImportOptions says how a file is brought in.
type ImportOptions struct {
	Overwrite bool // replace the choices of those who are there already, as far as the file has columns for them
	DryRun    bool // write nothing; the report says what would happen
	Active    bool // rows that name no state have agreed already, and so have second addresses: nobody is asked
	// Confirm makes the event that asks a pending subscriber to confirm;
	// nil asks nobody.
	Confirm func(Subscriber) *notifier.Event
	// Progress is told the lines read so far, now and then; may be nil.
	Progress func(line int)
}

// RowError says what is wrong with one line of a file.
type RowError struct {
	Line   int    `json:"line"`
	Field  string `json:"field"` // the column; "" where the line as a whole is wrong
	Reason string `json:"reason"`
}

// ImportReport sums an import up. Rows = Added + Changed + Unchanged + Suppressed + Wrong.
type ImportReport struct {
	Rows       int `json:"rows"`
	Added      int `json:"added"`
	Active     int `json:"active"`  // of those added
	Pending    int `json:"pending"` // of those added: who are asked to confirm
	Changed    int `json:"changed"`
	Unchanged  int `json:"unchanged"`
	Suppressed int `json:"suppressed"`
	Wrong      int `json:"wrong"`
	// Seconds were taken, of those who were added or changed; of the others
	// Errors says why, while their rows came in.
	Seconds        int `json:"seconds"`
	SecondsRefused int `json:"seconds_refused"`
	// Errors holds the first 1,000 wrong rows.
	Errors []RowError `json:"errors"`
}

var errDryRun = errors.New("dry run")

// Import brings a file of subscribers in, batch by batch, in memory that does
// not grow with the file. A wrong row is reported and the others come in. An
// address that stands in the file twice counts as unchanged (or changed, where
// overwriting is asked for) the second time. Whoever comes in as pending is
// asked to confirm; for whoever comes in as one who agreed already it is kept
// who said so, when, and by what file. A dry run remembers a few bytes for every
// address that it has seen. An error means that the file could not be read to its end
// or the database failed: the report then says what came in before the batch
// where that happened, and the same file can be imported again.
func Import(ctx context.Context, to Importer, file io.Reader, o ImportOptions) (ImportReport, error) {
	in := &importer{to: to, o: o, report: ImportReport{Errors: []RowError{}}, seed: maphash.MakeSeed(), seen: map[uint64]bool{}}
	rows, err := ReadCSV(file)
	if err != nil {
		return in.report, err
	}
	if o.Overwrite {
		in.overwrite = rows.columns
	}
	in.agreed = agreed(notifier.ActorFrom(ctx).Name, rows.Origin(), o.Active)
	if o.Active {
		rows.without = Active
	}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			err = in.flush(ctx)
			return in.sorted(), err
		}
		if err != nil {
			return in.sorted(), err // what is not written yet stays out: a file that broke off ends anywhere
		}
		if row.Err == nil && row.Subscriber.State == Pending && o.Confirm != nil {
			if err := row.Subscriber.Confirmable(); err != nil {
				row.Err = asInvalid(err)
			}
		}
		if row.Err != nil {
			in.report.Rows++
			in.wrong(row.Line, row.Err)
			continue
		}
		if err := in.add(ctx, row); err != nil {
			return in.report, err
		}
	}
}

type importer struct {
	to     Importer
	o      ImportOptions
	report ImportReport
	batch  []Subscriber
	lines  []int
	agreed Consent

	overwrite []string // columns; nil is none

	// In a dry run: which addresses would be there already, by a hash, and
	// whether the file would have ended their subscription.
	seed maphash.Seed
	seen map[uint64]bool
}

// agreed are the words that are kept of who agreed elsewhere, and whoever
// imports them answers for.
func agreed(who, origin string, all bool) Consent {
	words := "Imported by " + who + " from a file of " + origin + " that says that this address agreed."
	if all {
		words = "Imported by " + who + " from a file of " + origin + "; " + who + " said that all in it agreed."
	}
	return Consent{Language: "en", Words: words}
}

func (in *importer) add(ctx context.Context, row Row) error {
	twice := false // a batch holds an address once, whatever the database makes of two
	named := 0
	for i := range in.batch {
		twice = twice || in.batch[i].Address == row.Subscriber.Address
		if in.batch[i].Second.Address != "" {
			named++
		}
	}
	if twice || len(in.batch) == importBatch || named == importSeconds && row.Subscriber.Second.Address != "" {
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	in.batch, in.lines = append(in.batch, row.Subscriber), append(in.lines, row.Line)
	return nil
}

// flush writes the batch. Those who must confirm go one by one, because each
// brings an event; a look that is rolled back tells who is new.
func (in *importer) flush(ctx context.Context) error {
	batch, lines := in.batch, in.lines
	in.batch, in.lines = nil, nil
	if len(batch) == 0 {
		return nil
	}
	if in.o.Progress != nil {
		in.o.Progress(lines[len(lines)-1])
	}
	if in.o.DryRun {
		fates, errs, err := in.look(ctx, batch, lines)
		if err != nil {
			return err
		}
		in.repeat(batch, fates, errs)
		in.count(batch, lines, fates, errs)
		return nil
	}
	if in.o.Confirm == nil || !anyPending(batch) {
		return in.write(ctx, batch, lines)
	}
	fates, errs, err := in.look(ctx, batch, nil)
	if err != nil {
		return err
	}
	var rest []Subscriber
	var restLines []int
	for i, s := range batch {
		if s.State != Pending || errs[i] != nil || fates[i] != ImportAdded {
			rest, restLines = append(rest, s), append(restLines, lines[i])
			continue
		}
		took := seconds{}
		err := in.to.Atomic(ctx, func(ctx context.Context) error {
			if _, err := in.to.AddSubscriber(ctx, s, in.o.Confirm); err != nil {
				return err
			}
			took = seconds{}
			return in.second(ctx, s, lines[i], &took)
		})
		if errors.Is(err, notifier.ErrConflict) { // somebody was quicker
			in.count(batch[i:i+1], lines[i:i+1], []Imported{ImportUnchanged}, []error{nil})
			continue
		}
		if err != nil {
			return err
		}
		in.count(batch[i:i+1], lines[i:i+1], fates[i:i+1], []error{nil})
		in.countSeconds(took)
	}
	return in.write(ctx, rest, restLines)
}

func (in *importer) write(ctx context.Context, batch []Subscriber, lines []int) error {
	if len(batch) == 0 {
		return nil
	}
	var fates []Imported
	var errs []error
	var took seconds
	err := in.to.Atomic(ctx, func(ctx context.Context) error {
		var err error
		if fates, errs, err = in.to.ImportSubscribers(ctx, batch, in.overwrite); err != nil {
			return err
		}
		if took, err = in.seconds(ctx, batch, lines, fates, errs); err != nil {
			return err
		}
		return in.keep(ctx, batch, lines, fates, errs, took)
	})
	if err != nil {
		return err
	}
	in.count(batch, lines, fates, errs)
	in.countSeconds(took)
	return nil
}

// keep keeps by what words those agreed who came in as such, and the second
// addresses that did.
func (in *importer) keep(ctx context.Context, batch []Subscriber, lines []int, fates []Imported, errs []error, took seconds) error {
	came := map[notifier.Channel][]string{}
	for i, s := range batch {
		if errs[i] != nil || fates[i] != ImportAdded && fates[i] != ImportChanged {
			continue
		}
		if fates[i] == ImportAdded && s.State.Movable() {
			came[s.Channel] = append(came[s.Channel], s.Address)
		}
		refused := func(e RowError) bool { return e.Line == lines[i] }
		if in.o.Active && s.State == Active && s.Second.Address != "" && !slices.ContainsFunc(took.refused, refused) {
			came[s.Second.Channel] = append(came[s.Second.Channel], s.Second.Address)
		}
	}
	for channel, addresses := range came {
		if err := in.to.KeepImported(ctx, channel, addresses, in.agreed); err != nil {
			return err
		}
	}
	return nil
}

// repeat corrects the fates of a dry run for addresses that stood in the file
// before: what became of them was rolled back.
func (in *importer) repeat(batch []Subscriber, fates []Imported, errs []error) {
	for i, s := range batch {
		if errs[i] != nil || fates[i] != ImportAdded && fates[i] != ImportChanged {
			continue
		}
		key := maphash.String(in.seed, string(s.Channel)+" "+s.Address)
		ended, again := in.seen[key]
		switch {
		case again && (ended || !in.o.Overwrite):
			fates[i] = ImportUnchanged
		case again:
			fates[i] = ImportChanged
			fallthrough
		default:
			in.seen[key] = s.State == Unsubscribed
		}
	}
}

// look tells what would become of a batch; with lines also of its second
// addresses, which are counted.
func (in *importer) look(ctx context.Context, batch []Subscriber, lines []int) (fates []Imported, errs []error, err error) {
	var took seconds
	err = in.to.Atomic(ctx, func(ctx context.Context) error {
		var err error
		if fates, errs, err = in.to.ImportSubscribers(ctx, batch, in.overwrite); err != nil {
			return err
		}
		if lines != nil {
			if took, err = in.seconds(ctx, batch, lines, fates, errs); err != nil {
				return err
			}
		}
		return errDryRun
	})
	if errors.Is(err, errDryRun) {
		in.countSeconds(took)
		err = nil
	}
	return fates, errs, err
}

func (in *importer) count(batch []Subscriber, lines []int, fates []Imported, errs []error) {
	in.report.Rows += len(lines)
	for i, line := range lines {
		if errs[i] != nil {
			in.wrong(line, asInvalid(errs[i]))
			continue
		}
		switch fates[i] {
		case ImportAdded:
			in.report.Added++
			switch batch[i].State {
			case Active:
				in.report.Active++
			case Pending:
				in.report.Pending++
			}
		case ImportChanged:
			in.report.Changed++
		case ImportSuppressed:
			in.report.Suppressed++
		default:
			in.report.Unchanged++
		}
	}
}

func (in *importer) wrong(line int, bad *notifier.Invalid) {
	in.report.Wrong++
	if len(in.report.Errors) < maxRowErrors {
		in.report.Errors = append(in.report.Errors, RowError{Line: line, Field: bad.Field, Reason: bad.Message})
	}
}

// sorted is the report with its errors by line: the database finds its own later than the reader.
func (in *importer) sorted() ImportReport {
	slices.SortStableFunc(in.report.Errors, func(a, b RowError) int { return a.Line - b.Line })
	return in.report
}

func anyPending(batch []Subscriber) bool {
	for i := range batch {
		if batch[i].State == Pending {
			return true
		}
	}
	return false
}
