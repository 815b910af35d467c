package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Where a post ended, as notifier.SendError.Stage names it.
const (
	stageRender = "render" // before anything was tried
	stageDial   = "dial"
	stageTLS    = "tls"
	stagePost   = "post" // the request was begun
)

// What an endpoint may do wrong beyond not answering.
var (
	errLongHead = errors.New("the answer's headers are longer than 16 kB")
	errTooMuch  = errors.New("the answer is longer than its share")
	errInterims = errors.New("more interim answers than 5")
	errNoHTTP   = errors.New("the answer is not HTTP")
	errNoWord   = errors.New("the connection was closed without an answer")
)

// sentence says in one sentence why t gave no answer. It names the host and the
// port and nothing else: no address, no path, no query, no words of others.
func sentence(t *target, err error) string {
	var (
		refused  *Refused
		name     *net.DNSError
		unknown  x509.UnknownAuthorityError
		wrong    x509.HostnameError
		invalid  x509.CertificateInvalidError
		header   tls.RecordHeaderError
		verified *tls.CertificateVerificationError
		at       = t.label()
	)
	switch {
	case errors.As(err, &refused):
		return refused.Said
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("The name %s leads to no address.", t.host)
	case errors.As(err, &name):
		return fmt.Sprintf("The name %s could not be looked up.", t.host)
	case errors.As(err, &wrong):
		return fmt.Sprintf("The certificate of %s is for another name.", at)
	case errors.As(err, &unknown):
		return fmt.Sprintf("The certificate of %s is signed by nobody who is known here.", at)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("The certificate of %s has expired, or is not valid yet.", at)
	case errors.As(err, &verified), errors.As(err, &invalid):
		return fmt.Sprintf("The certificate of %s is not valid.", at)
	case errors.As(err, &header):
		return fmt.Sprintf("%s does not speak TLS.", at)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s refused the connection.", at)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Sprintf("There is no way to %s.", at)
	case errors.Is(err, errLongHead):
		return fmt.Sprintf("The headers that %s answered with are longer than 16 kB.", at)
	case errors.Is(err, errTooMuch):
		return fmt.Sprintf("%s answered with more than is read.", at)
	case errors.Is(err, errInterims):
		return fmt.Sprintf("%s sent more than 5 interim answers (1xx) and no final one.", at)
	case errors.Is(err, errNoHTTP):
		return fmt.Sprintf("%s did not answer in HTTP/1.1.", at)
	}
	switch stage := stageOf(err); {
	case stage == stageDial && late(err):
		return fmt.Sprintf("There was no connection to %s in time.", at)
	case stage == stageDial:
		return fmt.Sprintf("There is no connection to %s.", at)
	case stage == stageTLS && late(err):
		return fmt.Sprintf("TLS with %s was not ready in time.", at)
	case stage == stageTLS:
		return fmt.Sprintf("TLS with %s failed.", at)
	case late(err):
		return fmt.Sprintf("%s did not answer within 15 s.", at)
	}
	return fmt.Sprintf("%s closed the connection without an answer.", at)
}

// late reports whether err is that of a clock.
func late(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// ours reports whether err says that this machine has run out of something: no
// endpoint is to blame.
func ours(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// atStage is an error and where it happened.
type atStage struct {
	stage string
	err   error
}

func (e *atStage) Error() string { return e.stage + ": " + e.err.Error() }
func (e *atStage) Unwrap() error { return e.err }

func stageOf(err error) string {
	var e *atStage
	if errors.As(err, &e) {
		return e.stage
	}
	return stagePost
}

// broken says what a connection's end in the middle of things means.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errors.Join(errNoWord, err)
	}
	return err
}
