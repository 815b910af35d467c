// Package email carries messages over SMTP relays: it composes and signs a mail
// per reader, and hands it to the first relay, in order of preference, that can
// take it.
//
// The way of a message through the transport half:
//
//   - Sender.Send composes in the caller's goroutine (signing is the dear part)
//     and checks what will stand on the wire.
//   - Pool.Send finds a usable relay and waits for one of its connections. A
//     message is handed only to a connection that stands; nothing waits in the
//     hands of one that is still being made.
//   - slot is one connection's goroutine. It takes express lanes first.
//   - session (pipelined) or plain (go-smtp's client) speaks SMTP, calls
//     Flight.Begin and Flight.Taken at their moments and turns replies into
//     *notifier.SendError by verdict.
//   - health keeps a relay's breaker and how many of its connections may work.
package email
