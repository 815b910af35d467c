package notifier

import (
	"encoding/base64"
	"log/slog"
	"strings"
	"time"
)

// Format is the shape of what a webhook posts.
type Format string

// The formats.
const (
	FormatStandard   Format = "standard"   // DESIGN.md section 8, under Standard Webhooks
	FormatStatuspage Format = "statuspage" // as consumers of Statuspage's webhooks parse
	FormatSlack      Format = "slack"
	FormatTeams      Format = "teams"
	FormatDiscord    Format = "discord"
)

// Formats lists every format.
var Formats = []Format{FormatStandard, FormatStatuspage, FormatSlack, FormatTeams, FormatDiscord}

// Endpoint is a customer's program, as it is called.
type Endpoint struct {
	Reader int64
	URL    string
	Format Format
	// Secrets sign what is posted: the newest first, then for a while those
	// before it, OldSecrets at most.
	Secrets     []Secret
	Concurrency int     // posts in flight, 1 to 4
	Rate        float64 // posts a second at most; 0 is no bound
	// FailingSince is when posts began to fail; zero: the last one was taken.
	FailingSince time.Time
}

// SecretSize is how many random bytes a secret has.
const SecretSize = 32

// SecretOverlap is how long both secrets sign after a rotation, unless somebody
// wishes otherwise.
const SecretOverlap = 24 * time.Hour

// OldSecrets is how many secrets sign beside an endpoint's newest at most.
const OldSecrets = 3

// Secret is what an endpoint verifies signatures with. Nothing prints it but Text.
type Secret struct{ key []byte }

// MakeSecret takes SecretSize random bytes.
func MakeSecret(key []byte) Secret { return Secret{key: key} }

// ParseSecret reads what Text writes, with 24 to 64 bytes, as Standard Webhooks
// 1.0.0 allows. The error is an *Invalid for secret.
func ParseSecret(text string) (Secret, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 || !strings.HasPrefix(text, "whsec_") {
		return Secret{}, Invalidf("secret", "is not whsec_ and 24 to 64 bytes in base64")
	}
	return Secret{key: key}, nil
}

// Key is the HMAC's key.
func (s Secret) Key() []byte { return s.key }

// Text is the secret as its owner is shown it.
func (s Secret) Text() string { return "whsec_" + base64.StdEncoding.EncodeToString(s.key) }

// String hides it.
func (Secret) String() string { return "whsec_***" }

// GoString hides it from %#v.
func (Secret) GoString() string { return "whsec_***" }

// LogValue hides it from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("whsec_***") }

// EndpointPatience is how long an endpoint may do nothing but fail before it is
// disabled, and its owner told.
const EndpointPatience = 5 * 24 * time.Hour

// AnswerSize is how much of an endpoint's answer is kept, in bytes.
const AnswerSize = 1024

// Attempt is one post to an endpoint, as its owner sees it.
type Attempt struct {
	Delivery DeliveryID // 0 for a test
	Type     EventType
	Title    string // of the incident that it was about; "" for a test
	At       time.Time
	Status   int // of HTTP; 0: there was no answer
	Took     time.Duration
	Answer   string        // the first AnswerSize bytes of the answer, as text
	Trouble  string        // what went wrong where there was no answer; "" otherwise
	State    DeliveryState // where the attempt left the delivery
	Next     time.Time     // when the delivery is tried again; zero: it is not, or this was not its last try
}
