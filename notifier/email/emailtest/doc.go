// Package emailtest holds SMTP servers on loopback for tests: Server, a real
// one (go-smtp) with TLS, AUTH and scripted refusals, and Raw, which also does
// what no real one should: hang, drop, garble and talk without end.
package emailtest
