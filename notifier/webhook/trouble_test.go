package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, 0)
	return a
}

// issue signs c, or makes it sign itself where there is no authority yet. It is
// valid for an hour around the rig's clock, moved by shift.
func (a *authority) issue(t *testing.T, c *x509.Certificate, shift time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := notifiertest.NewClock().Now().Add(shift)
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), now.Add(-30*time.Minute), now.Add(30*time.Minute)
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) server(t *testing.T, name string, shift time.Duration) *httptest.Server {
	t.Helper()
	cert, key := a.issue(t, &x509.Certificate{DNSNames: []string{name}}, shift)
	s := httptest.NewUnstartedServer(nil)
	s.Config.ErrorLog = quiet()
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestWhatWentWrongIsSaidInOneSentenceWithoutSecrets(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	plain := newSink(t, false, nil)
	old := httptest.NewUnstartedServer(nil)
	old.Config.ErrorLog = quiet()
	cert, key := a.issue(t, &x509.Certificate{DNSNames: []string{"hook.test"}}, 0)
	old.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	for name, c := range map[string]struct {
		lookup string
		to     net.Addr
		err    error
		says   string
		stage  string
		fault  notifier.Fault
	}{
		"fine":                 {public4, a.server(t, "hook.test", 0).Listener.Addr(), nil, "404 Not Found", stagePost, notifier.FaultRecipient},
		"no such name":         {"", nil, nil, "The name hook.test leads to no address.", stageDial, notifier.FaultRecipient},
		"a name without":       {"nothing", nil, nil, "The name hook.test leads to no address.", stageDial, notifier.FaultRecipient},
		"a broken name server": {"servfail", nil, nil, "The name hook.test could not be looked up.", stageDial, notifier.FaultRecipient},
		"a slow name server":   {"timeout", nil, nil, "The name hook.test could not be looked up.", stageDial, notifier.FaultRecipient},
		"a private address":    {"10.0.0.1", nil, nil, "hook.test leads to an address that is not open to webhooks.", stageDial, notifier.FaultRecipient},
		"refused":              {public4, closed.Addr(), nil, "hook.test refused the connection.", stageDial, notifier.FaultRecipient},
		"no way":               {public4, nil, syscall.EHOSTUNREACH, "There is no way to hook.test.", stageDial, notifier.FaultRecipient},
		"no answer":            {public4, nil, context.DeadlineExceeded, "There was no connection to hook.test in time.", stageDial, notifier.FaultRecipient},
		"too many files":       {public4, nil, syscall.EMFILE, "There is no connection to hook.test.", stageDial, notifier.FaultRelay},
		"another name":         {public4, a.server(t, "other.test", 0).Listener.Addr(), nil, "The certificate of hook.test is for another name.", stageTLS, notifier.FaultRecipient},
		"an expired one":       {public4, a.server(t, "hook.test", -2*time.Hour).Listener.Addr(), nil, "The certificate of hook.test has expired, or is not valid yet.", stageTLS, notifier.FaultRecipient},
		"one of tomorrow":      {public4, a.server(t, "hook.test", 24*time.Hour).Listener.Addr(), nil, "The certificate of hook.test has expired, or is not valid yet.", stageTLS, notifier.FaultRecipient},
		"an unknown authority": {public4, stranger.server(t, "hook.test", 0).Listener.Addr(), nil, "The certificate of hook.test is signed by nobody who is known here.", stageTLS, notifier.FaultRecipient},
		"TLS 1.1":              {public4, old.Listener.Addr(), nil, "TLS with hook.test failed.", stageTLS, notifier.FaultRecipient},
		"no TLS":               {public4, plain.Listener.Addr(), nil, "hook.test does not speak TLS.", stageTLS, notifier.FaultRecipient},
	} {
		t.Run(name, func(t *testing.T) {
			names := &resolver{answers: map[string][]string{"hook.test": {c.lookup}}}
			if c.lookup == "" {
				names.answers = nil
			}
			r := newRig(t, func(s *setup) {
				s.options.Roots = x509.NewCertPool()
				s.options.Roots.AddCert(a.cert)
				s.guard.Resolver, s.guard.Own = names, nobody
				if c.err != nil {
					s.guard.Dial = func(context.Context, string, string) (net.Conn, error) {
						return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(public4), Port: 443}, Err: c.err}
					}
				}
			})
			if c.to != nil {
				r.wire.to = map[string]string{public4 + ":443": c.to.String()}
			}
			r.endpoint(3, "https://hook.test/SECRET?token=SECRET")
			se := r.fails(3)
			if se.Receipt.Reply != c.says || se.Stage != c.stage || se.Fault != c.fault || se.Permanent || se.Receipt.Relay != "hook.test" {
				t.Errorf("%q at %s, fault of %s, from %q (%v)", se.Receipt.Reply, se.Stage, se.Fault, se.Receipt.Relay, se.Err)
			}
			if all := fmt.Sprint(se, se.Receipt.Reply, se.Err); strings.Contains(all, "SECRET") || strings.Contains(all, "whsec") {
				t.Errorf("it tells a secret: %s", all)
			}
			if r.wire.open.Load() != 0 && name != "fine" {
				t.Error("a connection is left open")
			}
		})
	}
}
