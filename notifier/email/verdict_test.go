package email

import (
	"testing"

	"allclear/notifier"
)

func TestWhoseFaultARefusalIs(t *testing.T) {
	const (
		recipient = notifier.FaultRecipient
		domain    = notifier.FaultDomain
		relay     = notifier.FaultRelay
		ours      = notifier.FaultOurs
	)
	for _, c := range []struct {
		stage, reply string
		fault        notifier.Fault
		permanent    bool
	}{
		// 421 is the relay's, wherever it stands.
		{stageGreeting, "421 4.3.2 too busy", relay, false},
		{stageAuth, "421 4.7.0 later", relay, false},
		{stageMail, "421 4.7.0 later", relay, false},
		{stageRcpt, "421 4.2.2 later", relay, false},
		{stageData, "421 later", relay, false},
		{stageDot, "421 4.1.1 later", relay, false},
		// Before MAIL nothing is about a message.
		{stageGreeting, "554 5.7.1 go away", relay, false},
		{stageGreeting, "550 no", relay, false},
		{stageTLS, "454 4.7.0 TLS not available", relay, false},
		{stageTLS, "500 what", relay, false},
		{stageAuth, "535 5.7.8 wrong password", ours, false},
		{stageAuth, "534 5.7.9 mechanism too weak", ours, false},
		{stageAuth, "454 4.7.0 temporary", relay, false},
		// MAIL FROM holds nothing but our own address.
		{stageMail, "550 5.1.8 sender's domain unknown", ours, false},
		{stageMail, "553 5.1.7 bad sender", ours, false},
		{stageMail, "550 who are you", ours, false},
		{stageMail, "530 5.7.0 authenticate first", ours, false},
		{stageMail, "450 4.1.8 sender's domain not found", ours, false},
		{stageMail, "451 4.7.1 slow down", relay, false},
		{stageMail, "452 4.3.1 storage", relay, false},
		{stageMail, "503 5.5.1 nested MAIL", relay, false},
		// RCPT.
		{stageRcpt, "550 5.1.1 no such user", recipient, true},
		{stageRcpt, "550 5.1.0 no", recipient, true},
		{stageRcpt, "501 5.1.3 bad syntax", recipient, true},
		{stageRcpt, "551 5.1.6 moved", recipient, true},
		{stageRcpt, "556 5.1.10 null MX", recipient, true},
		{stageRcpt, "550 5.2.1 disabled", recipient, true},
		{stageRcpt, "550 no such user", recipient, true},
		{stageRcpt, "553 mailbox name not allowed", recipient, true},
		{stageRcpt, "550 5.0.0 no", recipient, true},
		{stageRcpt, "552 5.2.2 full", recipient, false},
		{stageRcpt, "552 full", recipient, false},
		{stageRcpt, "550 5.2.2 full", recipient, false},
		{stageRcpt, "452 4.2.2 full", recipient, false},
		{stageRcpt, "450 4.2.0 greylisted", recipient, false},
		{stageRcpt, "450 4.1.1 unverified", recipient, false},
		{stageRcpt, "451 try later", recipient, false},
		{stageRcpt, "450 4.7.1 greylisted", recipient, false}, // see health.rcpt
		{stageRcpt, "452 4.5.3 too many recipients", relay, false},
		{stageRcpt, "452 4.3.1 storage", relay, false},
		{stageRcpt, "452 storage", relay, false},
		{stageRcpt, "451 4.3.0 local error", relay, false},
		{stageRcpt, "550 5.1.2 no such domain", domain, false},
		{stageRcpt, "450 4.1.2 domain not found", domain, false},
		{stageRcpt, "550 5.4.4 unroutable", domain, false},
		{stageRcpt, "451 4.4.3 DNS", domain, false},
		{stageRcpt, "554 5.7.1 relay access denied", ours, false},
		{stageRcpt, "550 5.7.26 unauthenticated", ours, false},
		{stageRcpt, "550 5.7.515 access denied", ours, false},
		{stageRcpt, "550 5.1.8 sender", ours, false},
		{stageRcpt, "550 5.3.0 system", ours, false},
		{stageRcpt, "554 no", ours, false},
		{stageRcpt, "503 5.5.1 need MAIL", relay, false},
		{stageRcpt, "500 what", relay, false},
		// DATA, before the content.
		{stageData, "451 4.3.0 no", relay, false},
		{stageData, "554 5.5.1 no", ours, false},
		{stageData, "250 what", relay, false},
		// The end of the content.
		{stageDot, "451 4.7.1 slow down", relay, false},
		{stageDot, "450 4.7.0 slow down", relay, false},
		{stageDot, "452 4.3.1 storage", relay, false},
		{stageDot, "451 local error", relay, false},
		{stageDot, "450 4.2.2 full", recipient, false},
		{stageDot, "552 full", recipient, false},
		{stageDot, "550 5.1.1 no such user", recipient, true},
		{stageDot, "554 5.7.1 spam", ours, false},
		{stageDot, "550 5.6.0 malformed", ours, false},
		{stageDot, "552 5.3.4 too big", ours, false},
		{stageDot, "550 5.7.26 unauthenticated", ours, false},
		{stageDot, "554 no", ours, false},
		{stageDot, "550 no", ours, false},
		{stageDot, "550 5.4.4 unroutable", domain, false},
		{stageDot, "354 more", relay, false},
	} {
		rp, err := readReply(c.reply + "\r\n")
		if err != nil {
			t.Fatalf("%s: %v", c.reply, err)
		}
		fault, permanent := verdict(c.stage, &rp)
		if fault != c.fault || permanent != c.permanent {
			t.Errorf("%s at %s: fault %s, permanent %v; want %s, %v", c.reply, c.stage, fault, permanent, c.fault, c.permanent)
		}
	}
}

func TestARefusalCarriesTheRelaysWords(t *testing.T) {
	rp, err := readReply("550-5.1.1 no such\r\n550 5.1.1 user here\r\n")
	if err != nil {
		t.Fatal(err)
	}
	e := refusal("relay.test:25", stageRcpt, &rp)
	want := notifier.Receipt{Relay: "relay.test:25", Reply: "550 5.1.1 no such user here"}
	if e.Code != 550 || e.Enhanced != "5.1.1" || e.Stage != "rcpt" || e.Receipt != want || e.Temporary() {
		t.Errorf("got %+v", e)
	}
}
