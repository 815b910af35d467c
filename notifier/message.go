package notifier

import (
	"context"
	"time"
)

// Channel is a door through which messages leave.
type Channel string

// The channels.
const (
	Email   Channel = "email"
	Webhook Channel = "webhook"
	SMS     Channel = "sms"
)

// Channels lists every channel.
var Channels = []Channel{Email, Webhook, SMS}

// Letter is what readers of one event with the same circumstances share (first
// missed event, last told event, language, zone, theme): rendered once, and
// never changed afterwards, so that a sender may keep what it derives from it
// under Key. Its texts hold the marks of Blanks.
type Letter struct {
	Key  string // unique for the content; "" means: keep nothing, it is for one reader
	Lane Lane
	Type EventType

	Subject string // state in words first; no line breaks
	Text    string // plain text, LF line ends, UTF-8
	HTML    string // complete document
	Body    []byte // what a webhook posts: JSON under 20 kB; the texts are empty then

	EventID    string // the event's opaque id, for Message-ID
	PreviousID string // opaque id of the last event the reader was sent; "" for none
	ThreadID   string // incident id, the root of References; "" for none

	// ListUnsubscribe is the https link of RFC 8058, holding a mark; "" where
	// leaving makes no sense (confirmations, notices): then no List-Unsubscribe
	// headers are written.
	ListUnsubscribe string

	Blanks []Blank

	// Attachments go with a mail, in their order; other channels have none.
	Attachments []Attachment
}

// Attachment is a file that goes with a mail.
type Attachment struct {
	Name string // of the file, in any script, without a folder; shown to the reader
	Type string // MIME type, as "text/csv; charset=utf-8"
	Data []byte
}

// Blank is a place in a Letter that is filled in per reader. Every value is
// exactly as long as Mark, and both consist of A-Z a-z 0-9 _ - only, so that a
// value can take the mark's place in encoded text without being encoded again.
type Blank struct {
	Mark string
}

// Message is one Letter for one reader.
type Message struct {
	Delivery DeliveryID
	Lane     Lane
	Channel  Channel
	To       string // checked address
	Letter   *Letter
	Fill     []string // values of Letter.Blanks, in their order

	// Doubt is when the last try ended, where that may have been taken and its
	// error was not permanent; else zero.
	Doubt time.Time
}

// Receipt is what the peer said when it took a message or refused it.
type Receipt struct {
	Relay  string // which relay, endpoint or gateway
	Reply  string // its answer, at most 500 bytes, control characters replaced
	Remote string // its id for the message, where it tells one

	// Of an endpoint or a gateway; what was Taken may be written down without them.
	Status int           // of HTTP; 0: there was no answer
	Took   time.Duration // from the dial to the end of the answer
	Answer string        // the first AnswerSize bytes of the answer, as valid UTF-8
}

// Flight is the outbox's side of one transmission. Senders call it at the two
// moments that count.
type Flight interface {
	// Begin is called right before the first byte of a message's own
	// transmission, and again before its content when some time passed between
	// the two. An error (the reader left, the lane was paused, the lease is
	// lost) means: do not transmit, and return that error from Send.
	Begin() error
	// Taken is called at the moment the peer's acknowledgement is read, before
	// anything further is acknowledged to it or finished on that connection
	// (I2). An error is returned from Send in place of success, and the
	// connection is closed: what cannot be written down must not go on.
	Taken(Receipt) error
}

// Sender carries messages of one channel. Send returns when the peer has taken
// or refused the message. Every error it returns is a *SendError or Flight's.
// Many goroutines call Send at once; the sender decides how many go at a time.
type Sender interface {
	Send(ctx context.Context, m *Message, f Flight) (Receipt, error)
}
