package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// maxSignUps is how many sign-ups of each sort may wait for their turn.
const maxSignUps = 5000

// signUpLock is the advisory lock of the one process that goes through the
// sign-ups: the letters "allclear", and three more.
const signUpLock = 0x616c6c636c656175

type signUpRow struct {
	ID       string `gorm:"primaryKey"`
	Solved   bool
	Channel  notifier.Channel
	Address  string
	Contact  string
	Choices  string
	Network  string
	Consent  string
	AskedAt  int64
	DueAt    int64
	SecondOf int64
}

func (signUpRow) TableName() string { return "signups" }

// signUpChoices is what a sign-up chose, as its row keeps it.
type signUpChoices struct {
	Components []string             `json:"components,omitempty"`
	Severity   notifier.Severity    `json:"severity,omitempty"`
	Kinds      []notifier.Kind      `json:"kinds,omitempty"`
	Incident   string               `json:"incident,omitempty"`
	Cadence    subscribers.Cadence  `json:"cadence"`
	Timezone   string               `json:"timezone,omitempty"`
	Language   string               `json:"language,omitempty"`
	Types      []notifier.EventType `json:"types,omitempty"`
	Format     notifier.Format      `json:"format,omitempty"`
	Quiet      notifier.Quiet       `json:"quiet,omitempty"`
	Hour       subscribers.Hour     `json:"hour"`
	Weekday    subscribers.Weekday  `json:"weekday,omitempty"`
	Critical   bool                 `json:"critical,omitempty"`
	AllQuiet   bool                 `json:"all_quiet,omitempty"`
	Mine       bool                 `json:"mine,omitempty"`
	Shown      string               `json:"shown,omitempty"` // the language of the words agreed to
	Trapped    bool                 `json:"trapped,omitempty"`
}

// QueueSignUp keeps what somebody asked for, whoever that is; AnswerSignUps
// looks at it. One statement, whose time depends on nothing that is known of
// the address. subscribers.ErrFull where too many wait.
func (s *Store) QueueSignUp(ctx context.Context, x subscribers.SignUp) error {
	choices, err := choicesOf(x)
	if err != nil {
		return err
	}
	network := ""
	if x.Network.IsValid() {
		network = x.Network.String()
	}
	now := micros(s.Now())
	channel, contact := x.Channel, ""
	switch channel {
	case "":
		channel = notifier.Email
	case notifier.Webhook: // a group's is for staff to name
		contact = x.Contact
	}
	full := false
	err = s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		done := tx.Exec(`INSERT INTO signups (id, solved, channel, address, contact, choices, network, consent, asked_at, due_at, second_of)
			SELECT ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS bigint), CAST(? AS bigint), CAST(? AS bigint)
			WHERE (SELECT count(*) FROM (SELECT 1 FROM signups WHERE solved = ? AND channel = ? LIMIT ?) AS one) < ?`,
			randomText(), x.Solved, string(channel), x.Address, contact, choices, network, x.Consent.Words, now, now, int64(x.SecondOf), x.Solved, string(channel), maxSignUps, maxSignUps)
		full = done.Error == nil && done.RowsAffected == 0
		return done.Error
	})
	switch {
	case err != nil:
		return fmt.Errorf("queue a sign-up: %w", err)
	case full:
		return subscribers.ErrFull
	}
	return nil
}

// choicesOf is what a sign-up chose, as its row keeps it.
func choicesOf(x subscribers.SignUp) (string, error) {
	f := x.Filter
	choices, err := json.Marshal(signUpChoices{
		f.Components, f.Severity, f.Kinds, f.Incident, x.Cadence, x.Timezone, x.Language, f.Types, x.Format, x.Quiet, x.Hour, x.Weekday, x.Critical, x.AllQuiet, f.Mine, x.Consent.Language, x.Trapped,
	})
	if err != nil {
		return "", fmt.Errorf("write what was chosen: %w", err)
	}
	return string(choices), nil
}

// signUp reads a row.
func (r *signUpRow) signUp() (subscribers.SignUp, error) {
	var c signUpChoices
	if err := json.Unmarshal([]byte(r.Choices), &c); err != nil {
		return subscribers.SignUp{}, fmt.Errorf("read what was chosen: %w", err)
	}
	x := subscribers.SignUp{
		Subscriber: subscribers.Subscriber{
			Channel: r.Channel, Address: r.Address, Contact: r.Contact, Format: c.Format, Quiet: c.Quiet, State: subscribers.Pending, Cadence: c.Cadence, Timezone: c.Timezone, Language: c.Language,
			Filter:    subscribers.Filter{Components: c.Components, Severity: c.Severity, Kinds: c.Kinds, Incident: c.Incident, Types: c.Types, Mine: c.Mine},
			CreatedAt: instant(r.AskedAt), Hour: c.Hour, Weekday: c.Weekday, Critical: c.Critical, AllQuiet: c.AllQuiet,
			SecondOf: subscribers.Number(r.SecondOf),
		},
		Consent: subscribers.Consent{Language: c.Shown, Words: r.Consent}, Solved: r.Solved, Trapped: c.Trapped,
	}
	if r.Network != "" {
		n, err := netip.ParsePrefix(r.Network)
		if err != nil {
			return x, fmt.Errorf("read the network: %w", err)
		}
		x.Network = n
	}
	return x, nil
}

// AnswerSignUps goes through at most max waiting sign-ups, those first who did
// the work, in one short transaction. It asks those to confirm whom the limits
// let it, and sends nothing to who is subscribed already, suppressed, or was
// asked within the day. Whoever would be asked by mail and is not among seen, as
// DueSignUps listed them, is left to a later step; a nil seen is everybody. Of
// several processes one does so at a time.
func (s *Store) AnswerSignUps(ctx context.Context, seen []string, limits subscribers.Limits, confirm func(subscribers.Subscriber) notifier.Event, max int) (subscribers.Answered, error) {
	// A look first: where even an empty transaction would keep others from writing.
	at, err := s.nextSignUp(ctx)
	if err != nil || at.IsZero() || at.After(s.Now()) {
		return subscribers.Answered{Next: at}, err
	}
	var d *registrar
	err = s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		d = &registrar{store: s, tx: tx, seen: seen, limits: limits, confirm: confirm, now: s.Now(), done: subscribers.Answered{Fates: map[subscribers.Fate]int{}}}
		mine := true
		if s.dialect == postgres {
			if err := tx.Raw(`SELECT pg_try_advisory_xact_lock(?)`, int64(signUpLock)).Scan(&mine).Error; err != nil {
				return fmt.Errorf("lock the sign-ups: %w", err)
			}
		}
		if !mine {
			return nil
		}
		return d.run(ctx, max)
	})
	if err != nil {
		return subscribers.Answered{}, fmt.Errorf("answer sign-ups: %w", err)
	}
	return d.done, nil
}

// nextSignUp is when the first of those who wait is to be looked at; zero where nobody waits.
func (s *Store) nextSignUp(ctx context.Context) (time.Time, error) {
	var due []int64
	for _, solved := range []bool{true, false} {
		var first []int64
		if err := s.conn(ctx).Raw(`SELECT due_at FROM signups WHERE solved = ? ORDER BY due_at LIMIT 1`, solved).Scan(&first).Error; err != nil {
			return time.Time{}, fmt.Errorf("look for sign-ups: %w", translate(err))
		}
		due = append(due, first...)
	}
	if len(due) == 0 {
		return time.Time{}, nil
	}
	return instant(slices.Min(due)), nil
}

// registrar is one step through the sign-ups.
type registrar struct {
	store   *Store
	tx      *gorm.DB
	limits  subscribers.Limits
	confirm func(subscribers.Subscriber) notifier.Event
	seen    []string // who may be asked by mail; nil: all
	now     time.Time
	done    subscribers.Answered
}

func (d *registrar) run(ctx context.Context, max int) error {
	// From here on nobody else adds a subscriber, so that what is looked up stays so.
	if _, err := next(d.tx, "subscriber", 0); err != nil {
		return err
	}
	left := max
	// Phones by themselves: where no mail is left for anybody, they may have theirs.
	for _, of := range []struct{ solved, sms bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		if left == 0 {
			break
		}
		var rows []signUpRow
		seen, args := ``, []any{of.solved, of.sms, micros(d.now)}
		if d.seen != nil && !of.sms {
			seen, args = ` AND id IN ?`, append(args, append([]string{""}, d.seen...))
		}
		if err := d.tx.Raw(`SELECT * FROM signups WHERE solved = ? AND (channel = 'sms') = ? AND due_at <= ?`+seen+` ORDER BY due_at, id LIMIT ?`,
			append(args, left)...).Scan(&rows).Error; err != nil {
			return fmt.Errorf("take the next: %w", err)
		}
		for i := range rows {
			spent, err := d.answer(ctx, &rows[i])
			if err != nil {
				return err
			}
			if spent {
				break
			}
			left--
		}
	}
	d.done.More = left == 0
	// What is whole again needs no row.
	if err := d.tx.Exec(`DELETE FROM budgets WHERE whole_at <= ?`, micros(d.now)).Error; err != nil {
		return fmt.Errorf("forget budgets: %w", err)
	}
	return nil
}

// answer decides about one. spent: there is nothing left for anybody.
func (d *registrar) answer(ctx context.Context, row *signUpRow) (spent bool, err error) {
	x, err := row.signUp()
	if err != nil {
		return false, err
	}
	fate, was, err := d.look(&x)
	if err != nil {
		return false, err
	}
	if fate == "" {
		bill, err := d.pay(x.Purses())
		if err != nil {
			return false, err
		}
		switch {
		case bill.refused == "":
			fate = subscribers.SignUpAsked
			if err := d.ask(ctx, x, was); err != nil {
				return false, err
			}
		case slices.Contains([]subscribers.Scope{subscribers.PerAddress, subscribers.PerContact, subscribers.PerNumber}, bill.refused):
			fate = subscribers.SignUpAgain
		case bill.refused == subscribers.ForAll:
			d.due(bill.later)
			d.done.Spent = true
			return true, nil
		case bill.later.After(x.CreatedAt.Add(subscribers.SignUpLife)):
			fate = subscribers.SignUpExpired
		default:
			d.due(bill.later)
			return false, d.tx.Exec(`UPDATE signups SET due_at = ? WHERE id = ?`, micros(bill.later), row.ID).Error
		}
	}
	d.done.Fates[fate]++
	return false, d.tx.Exec(`DELETE FROM signups WHERE id = ?`, row.ID).Error
}

func (d *registrar) due(at time.Time) {
	if d.done.Next.IsZero() || at.Before(d.done.Next) {
		d.done.Next = at
	}
}

// look says what is so without any budget, and finds the row of a subscriber
// who is to be asked (again); "" is nothing.
func (d *registrar) look(x *subscribers.SignUp) (subscribers.Fate, *subscriberRow, error) {
	if x.Trapped {
		return subscribers.SignUpTrapped, nil, nil
	}
	if d.now.After(x.CreatedAt.Add(subscribers.SignUpLife)) {
		return subscribers.SignUpExpired, nil, nil
	}
	barred, err := suppressed(d.tx, x.Channel, []string{x.Address})
	if err != nil {
		return "", nil, err
	}
	if barred[x.Address] {
		return subscribers.SignUpBarred, nil, nil
	}
	if x.Channel == notifier.Webhook {
		if barred, err = suppressed(d.tx, notifier.Email, []string{x.Contact}); err != nil {
			return "", nil, err
		}
		if barred[x.Contact] {
			return subscribers.SignUpBarred, nil, nil
		}
	}
	there, err := subscribersAt(d.tx, x.Channel, []string{x.Address})
	if err != nil {
		return "", nil, err
	}
	was, known := there[x.Address]
	if x.SecondOf > 0 {
		at := &was
		if !known {
			at = nil
		}
		fate, err := d.wanted(x, at)
		return fate, at, err
	}
	if known && !mayWish(was) && was.State != string(subscribers.Pending) && was.State != string(subscribers.Unsubscribed) {
		return subscribers.SignUpKnown, nil, nil
	}
	// A component may have been removed since the form was shown.
	if chosen := x.Filter.Components; len(chosen) > 0 {
		var found []string
		if err := d.tx.Raw(`SELECT key FROM components WHERE key IN ? ORDER BY key`, chosen).Scan(&found).Error; err != nil {
			return "", nil, fmt.Errorf("look for components: %w", err)
		}
		if x.Filter.Components = found; len(found) == 0 {
			return subscribers.SignUpVoid, nil, nil
		}
	}
	if !known {
		return "", nil, nil
	}
	return "", &was, nil
}

// ask adds the subscriber, or gives one who has not confirmed or has left the
// new choices, and sends the question. That somebody left stays until they
// confirm: anybody can fill in the form for them.
func (d *registrar) ask(ctx context.Context, x subscribers.SignUp, was *subscriberRow) error {
	ctx = notifier.WithActor(ctx, notifier.Actor{Name: "form"})
	if was != nil && x.SecondOf == 0 && mayWish(*was) {
		return d.wish(ctx, x, *was)
	}
	who, action := x.Subscriber, "subscriber.add"
	if was != nil { // what staff know of it stays
		who, action = was.subscriber(), "subscriber.ask"
		who.State, who.Filter, who.Cadence, who.Timezone, who.Language = subscribers.Pending, x.Filter, x.Cadence, x.Timezone, x.Language
		who.Hour, who.Weekday, who.Critical, who.AllQuiet, who.SecondOf = x.Hour, x.Weekday, x.Critical, x.AllQuiet, x.SecondOf
		who.CreatedAt, who.ConfirmedAt, who.Format, who.Quiet = x.CreatedAt, time.Time{}, x.Format, x.Quiet
		if who.Channel == notifier.Webhook {
			who.Contact = x.Contact
		}
	}
	d.store.stamp(&who)
	var err error
	if was != nil {
		if err = d.store.rewriteSubscriber(d.tx, *was, who); err == nil {
			err = renewEndpoint(d.tx, who)
		}
	} else {
		var number int64
		if number, err = next(d.tx, "subscriber", 1); err != nil {
			return err
		}
		who.Number = subscribers.Number(number)
		err = d.store.addSubscribers(d.tx, []subscribers.Subscriber{who})
	}
	if err != nil {
		return err
	}
	return d.question(ctx, x, who, action)
}

// question notes that somebody is asked, and has the question sent.
func (d *registrar) question(ctx context.Context, x subscribers.SignUp, who subscribers.Subscriber, action string) error {
	if err := d.store.audit(ctx, d.tx, action, who.Number.String(), string(who.State)); err != nil {
		return err
	}
	e := subscribers.Evidence{Step: subscribers.StepAsked, At: x.CreatedAt}
	if x.Network.IsValid() {
		e.Network = x.Network.String()
	}
	if err := d.store.keepEvidence(d.tx, who.Number, x.Consent, e); err != nil {
		return err
	}
	ask := d.confirm(who)
	ask.Reader, ask.IncidentID = int64(who.Number), ""
	return d.store.accept(d.tx, &ask)
}
