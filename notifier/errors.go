package notifier

import (
	"errors"
	"fmt"
)

// Errors that every room understands. Wrap them with %w; ask with errors.Is.
var (
	// ErrNotFound: what was named does not exist (or is not for this caller).
	ErrNotFound = errors.New("not found")
	// ErrConflict: the request contradicts what is there already.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: the part that should answer cannot at the moment; the
	// same request may succeed later.
	ErrUnavailable = errors.New("unavailable")
)

// Invalid is bad input: it names the field (in the API's spelling, such as
// "components[1]") and says in one sentence what is wrong and what would be
// right. Message is made for the person who typed it.
type Invalid struct {
	Field   string
	Message string
}

func (e *Invalid) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// Invalidf makes an Invalid for field.
func Invalidf(field, format string, args ...any) *Invalid {
	return &Invalid{Field: field, Message: fmt.Sprintf(format, args...)}
}

// Refusal is ErrConflict or ErrNotFound with a sentence for the person.
type Refusal struct {
	Kind    error // ErrConflict, ErrNotFound or ErrUnavailable
	Message string
}

func (e *Refusal) Error() string { return e.Message }

// Unwrap makes errors.Is(err, ErrConflict) work.
func (e *Refusal) Unwrap() error { return e.Kind }

// Refuse makes a Refusal of kind.
func Refuse(kind error, format string, args ...any) *Refusal {
	return &Refusal{Kind: kind, Message: fmt.Sprintf(format, args...)}
}
