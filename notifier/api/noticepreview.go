package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"allclear/notifier"
	"allclear/subscribers"
)

// Choosing says whose copy of a notice is looked at, and as whom.
type Choosing struct {
	Which    string           // smallest (""), median or largest, by the number of rows
	Address  string           // this one's in place of Which
	Channel  notifier.Channel // of Address; "" is what it looks like
	Language string           // "" is the recipient's own
	Timezone string           // likewise
}

// check says what is wrong with it.
func (o Choosing) check() error {
	if !slices.Contains([]string{"", "smallest", "median", "largest"}, o.Which) {
		return notifier.Invalidf("which", "%q is not one of smallest, median, largest", notifier.Clip(o.Which))
	}
	if o.Which != "" && o.Address != "" {
		return notifier.Invalidf("which", "and address exclude each other")
	}
	if o.Channel != "" && o.Address == "" {
		return notifier.Invalidf("channel", "is of an address; give one")
	}
	probe := subscribers.Subscriber{Address: "a@example.com", Language: o.Language, Timezone: o.Timezone}
	return probe.Validate()
}

// Choose finds the recipient.
func (o Choosing) Choose(ctx context.Context, people NoticePeople, n notifier.Notice) (r notifier.Recipient, err error) {
	if err := o.check(); err != nil {
		return r, err
	}
	switch {
	case n.Recipients == 0:
		return r, notifier.Refuse(notifier.ErrConflict, "it has no audience yet")
	case !n.CleanedAt.IsZero():
		return r, notifier.Refuse(notifier.ErrConflict, "its audience was deleted on %s", n.CleanedAt.UTC().Format("2006-01-02"))
	case o.Address != "":
		ch, kept, err := address(o.Channel, o.Address)
		if err != nil {
			return r, err
		}
		if r, err = people.RecipientByAddress(ctx, n.ID, ch, kept); err != nil {
			return r, unknownRecipient(err, kept)
		}
	default:
		smallest, median, largest, err := people.RecipientSizes(ctx, n.ID)
		if err != nil {
			return r, err
		}
		place := map[string]int64{"": smallest, "smallest": smallest, "median": median, "largest": largest}[o.Which]
		if r, err = people.Recipient(ctx, n.ID, place); err != nil {
			return r, err
		}
	}
	if o.Language != "" {
		r.Language = o.Language
	}
	if o.Timezone != "" {
		r.Timezone = o.Timezone
	}
	return r, nil
}

// unknownRecipient says of whom nothing is there.
func unknownRecipient(err error, address string) error {
	if errors.Is(err, notifier.ErrNotFound) {
		return notifier.Refuse(notifier.ErrNotFound, "%s is not among its recipients", address)
	}
	return err
}

// inField gives an Invalid the name of the field it came in.
func inField(err error, field string) error {
	var inv *notifier.Invalid
	if errors.As(err, &inv) {
		return notifier.Invalidf(field, "%s", inv.Message)
	}
	return err
}

type previewShape struct {
	Recipient recipientShape `json:"recipient"`
	Subject   string         `json:"subject"`
	HTML      string         `json:"html"`
	Text      string         `json:"text"`
	SMS       string         `json:"sms"`
}

type recipientShape struct {
	Place    int64            `json:"place"`
	Channel  notifier.Channel `json:"channel"`
	Address  string           `json:"address"`
	Account  *string          `json:"account"`
	Language *string          `json:"language"`
	Timezone *string          `json:"timezone"`
	Rows     int              `json:"rows"`
}

// choosing reads whose copy is asked for.
func (c noticeRoom) choosing(q *request, to *string) (Choosing, error) {
	var in struct {
		Which    string           `json:"which"`
		Address  string           `json:"address"`
		Channel  notifier.Channel `json:"channel"`
		Language string           `json:"language"`
		Timezone string           `json:"timezone"`
	}
	if to == nil {
		_, err := q.decode(&in, true)
		return Choosing(in), err
	}
	var test struct {
		To       string           `json:"to"`
		Which    string           `json:"which"`
		Address  string           `json:"address"`
		Channel  notifier.Channel `json:"channel"`
		Language string           `json:"language"`
		Timezone string           `json:"timezone"`
	}
	_, err := q.decode(&test, false)
	*to = test.To
	return Choosing{test.Which, test.Address, test.Channel, test.Language, test.Timezone}, err
}

// preview writes what one recipient would get, and sends nothing.
func (c noticeRoom) preview(ctx context.Context, q *request) (reply, error) {
	choice, err := c.choosing(q, nil)
	if err != nil {
		return reply{}, err
	}
	n, err := c.store.Notice(ctx, q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	r, err := choice.Choose(ctx, c.store, n)
	if err != nil {
		return reply{}, err
	}
	mail, sms, err := NoticeCopies(c.tools.Letters, n, r)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, NoticePreview(r, mail, sms)}, nil
}

// NoticePreview is what POST /notices/{id}/preview answers.
func NoticePreview(r notifier.Recipient, mail, sms *notifier.Letter) any {
	return previewShape{
		recipientShape{r.Place, r.Channel, r.Address, text(r.Account), text(r.Language), text(r.Timezone), len(r.Rows) + int(r.More)},
		mail.Subject, mail.HTML, mail.Text, sms.Text,
	}
}

// NoticeCopies writes what a recipient gets as a mail, and what as a text message.
func NoticeCopies(letters Letters, n notifier.Notice, r notifier.Recipient) (mail, sms *notifier.Letter, err error) {
	r.Channel = notifier.Email
	if mail, err = letters.Notice(n, r); err != nil {
		return nil, nil, err
	}
	r.Channel = notifier.SMS
	sms, err = letters.Notice(n, r)
	return mail, sms, err
}

type testShape struct {
	To       string  `json:"to"`
	Subject  string  `json:"subject"`
	Relay    string  `json:"relay"`
	Reply    string  `json:"reply"`
	RemoteID *string `json:"remote_id"`
}

// test sends one recipient's copy to somebody else, at once and by mail. No
// transaction is open meanwhile: it may take as long as a relay may.
func (c noticeRoom) test(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var to string
	choice, err := c.choosing(&request{Request: r, body: body}, &to)
	if err != nil {
		return err
	}
	if to, err = subscribers.ParseAddress(to); err != nil {
		return inField(err, "to")
	}
	ctx := r.Context()
	n, err := c.store.Notice(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	who, err := choice.Choose(ctx, c.store, n)
	if err != nil {
		return err
	}
	letter, _, err := NoticeCopies(c.tools.Letters, n, who)
	if err != nil {
		return err
	}
	if err := LetTest(ctx, c.store, n, who, to); err != nil {
		return err
	}
	letter = AsTest(letter, c.desk().NewID())
	receipt, err := c.tools.Mailer.MailNow(ctx, to, letter)
	if err != nil {
		return err
	}
	said, err := encode(reply{http.StatusOK, testShape{to, letter.Subject, receipt.Relay, receipt.Reply, text(receipt.Remote)}})
	if err != nil {
		return err
	}
	write(w, "application/json", said.Status, said.Body)
	return nil
}

// LetTest judges whether a recipient's copy may be mailed to somebody else, and
// notes whose went where before it goes: what it carries is the recipient's own.
// Any address will do, such as that of the team who made the file, but for one
// that nothing may be sent to.
func LetTest(ctx context.Context, s NoticeTests, n notifier.Notice, whose notifier.Recipient, to string) error {
	x, err := s.Suppression(ctx, notifier.Email, to)
	if err == nil {
		return notifier.Refuse(notifier.ErrConflict, "%s is suppressed (%s), so no test goes there either", to, x.Reason)
	}
	if !errors.Is(err, notifier.ErrNotFound) {
		return err
	}
	named, err := s.AuditName(ctx, notifier.Email, to)
	if err != nil {
		return err
	}
	return s.Audit(ctx, "notice.test", n.ID, fmt.Sprintf("the copy of recipient %d to %s", whose.Place, named))
}

// AsTest marks a letter as a test; id takes the place of an event's.
func AsTest(l *notifier.Letter, id string) *notifier.Letter {
	test := *l
	test.Key, test.EventID, test.PreviousID, test.ThreadID = "", id, "", ""
	test.Subject = "[TEST] " + l.Subject
	return &test
}
