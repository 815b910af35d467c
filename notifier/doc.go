// Package notifier holds what is announced, by whom, and what became of it:
// incidents and their updates, the events they cause, the readers those events
// reach, the messages that carry them and the deliveries that keep account.
//
// It imports nothing but the standard library. Everything that talks to a
// database, a relay or a browser lives in a folder of its own and speaks these
// words. Decisions are pure functions here (what an update may say, when a
// delivery is tried again, what state an event is in), so that they can be read
// and tested without any of those parts.
package notifier
