// Package console is the staff's pages: what goes on, writing about it, sending
// notices, and who may do so. It answers everything below /console, in English;
// one file holds one action. Who may do what stands in one table (routes.go),
// and is checked in one place (serve.go).
package console
