// Package webhook posts what happened to the endpoints of customers.
//
// What is posted is signed as Standard Webhooks 1.0.0 lays down. An endpoint is
// a program of somebody else at an address that somebody else chose, so nothing
// about it is believed. A Guard decides which addresses are called at all, at
// the moment a connection is made (SSRF). An endpoint that answers too much or
// never costs its own seat, at most 64 kB and 15 s, and nobody else's time: a
// message that finds no seat is given back with the time at which to come again.
//
// The way of a message: Sender.Send asks for the endpoint as its owner wants it
// now, takes seats (seats.go), takes an idle connection or makes one (lines.go,
// dial.go), and exchanges one request for one answer (line.go). What an answer
// means is said in answer.go, what the lack of one means in trouble.go.
package webhook
