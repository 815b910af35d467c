package email

import (
	"fmt"

	"allclear/notifier"
)

// Where a try ended, as notifier.SendError.Stage names it.
const (
	stageDial     = "dial"
	stageGreeting = "greeting" // and EHLO
	stageTLS      = "tls"
	stageAuth     = "auth"
	stageMail     = "mail"
	stageRcpt     = "rcpt"
	stageData     = "data"
	stageDot      = "dot"
)

// verdict says whose doing a refusal is (DESIGN.md I7, STANDARDS.md 2.3). The
// enhanced code is trusted before the basic code. Permanent is only what no
// later try can change and the reader's address is the cause of. A 4.7.x at
// RCPT comes out as the recipient's; whether it is the relay's is known only to
// who has seen the last fifty (health.rcpt).
func verdict(stage string, rp *reply) (fault notifier.Fault, permanent bool) {
	class, subject, detail := rp.code/100, rp.enhanced[1], rp.enhanced[2]
	if rp.enhanced[0] == 0 {
		subject = 0
	}
	switch {
	case rp.code == 421:
		return notifier.FaultRelay, false
	case stage == stageAuth && class == 5:
		return notifier.FaultOurs, false
	case stage == stageDial || stage == stageGreeting || stage == stageTLS || stage == stageAuth:
		return notifier.FaultRelay, false
	case class != 4 && class != 5, rp.code == 503:
		// An answer that fits no question: we and the relay are out of step.
		return notifier.FaultRelay, false
	}
	sender := subject == 1 && (detail == 7 || detail == 8) // our envelope address
	switch stage {
	case stageMail:
		// The command holds nothing but our own address.
		if class == 5 || sender {
			return notifier.FaultOurs, false
		}
		return notifier.FaultRelay, false
	case stageData:
		if class == 5 {
			return notifier.FaultOurs, false
		}
		return notifier.FaultRelay, false
	}
	switch {
	case sender:
		return notifier.FaultOurs, false
	case subject == 4, subject == 1 && detail == 2:
		return notifier.FaultDomain, false
	case subject == 5 && detail == 3, subject == 3 && class == 4:
		// Too many recipients, no storage: the relay is full, not the mailbox.
		return notifier.FaultRelay, false
	case subject == 7 && class == 4:
		if stage == stageDot {
			return notifier.FaultRelay, false
		}
		return notifier.FaultRecipient, false
	case subject == 3 || subject == 5 || subject == 6 || subject == 7:
		return notifier.FaultOurs, false
	case subject == 2 && detail == 2:
		return notifier.FaultRecipient, false // a full mailbox empties
	case subject == 1 || subject == 2:
		return notifier.FaultRecipient, class == 5
	}
	return basicVerdict(stage, rp.code)
}

// basicVerdict is for replies whose enhanced code is missing or says nothing (x.0.0).
func basicVerdict(stage string, code int) (fault notifier.Fault, permanent bool) {
	switch {
	case code == 452 && stage == stageRcpt: // insufficient system storage
		return notifier.FaultRelay, false
	case code < 500 && stage == stageDot:
		return notifier.FaultRelay, false
	case code < 500: // a busy mailbox, greylisting
		return notifier.FaultRecipient, false
	case code == 552:
		return notifier.FaultRecipient, false
	case stage == stageRcpt && (code == 501 || code == 550 || code == 551 || code == 553):
		return notifier.FaultRecipient, true
	case code == 500 || code == 502 || code == 504:
		return notifier.FaultRelay, false
	}
	// 554 and the rest, and any refusal of the content: a policy, not a mailbox.
	return notifier.FaultOurs, false
}

// refusal makes the error for a reply.
func refusal(relay, stage string, rp *reply) *notifier.SendError {
	fault, permanent := verdict(stage, rp)
	return &notifier.SendError{
		Fault: fault, Permanent: permanent, Code: rp.code, Enhanced: rp.enhancedText(), Stage: stage,
		Receipt: notifier.Receipt{Relay: relay, Reply: rp.String()},
	}
}

// broken makes the error for a connection that failed us: always the relay's.
func broken(relay, stage string, cause error) *notifier.SendError {
	if stage == stageDot {
		// The relay may have the message: a repeat carries the same Message-ID (I2).
		cause = fmt.Errorf("the answer to the message's end was not read: %w", cause)
	}
	return &notifier.SendError{Fault: notifier.FaultRelay, Stage: stage, Receipt: notifier.Receipt{Relay: relay}, Err: cause}
}
