package console

import "net/url"

// sample is the beginning of a common announcement, to be filled in.
type sample struct {
	Name, Says                  string
	Kind, Severity, Title, Body string
}

func (s sample) form() url.Values {
	return url.Values{"kind": {s.Kind}, "severity": {s.Severity}, "title": {s.Title}, "body": {s.Body}}
}

// samples are what happens to mail providers.
func samples() []sample {
	const incident = "incident"
	return []sample{
		{"mail-delayed", "Mail is delayed", incident, "minor", "Mail is delayed",
			"Since {{at \"now\"}} mail arrives late. Nothing is lost: what waits will be delivered.\n\nThe next news is due at {{at \"+30m\"}}."},
		{"server-down", "A server does not answer", incident, "major", "SERVER does not answer",
			"Since {{at \"now\"}} customers on **SERVER** cannot read their mail. Mail that arrives for them is kept and will be delivered.\n\nThe next news is due at {{at \"+30m\"}}."},
		{"sign-in", "Nobody can sign in", incident, "critical", "Signing in does not work",
			"Since {{at \"now\"}} signing in fails. Who is signed in stays so, and mail is received and kept.\n\nThe next news is due at {{at \"+15m\"}}."},
		{"other-side", "Another provider takes no mail", incident, "minor", "PROVIDER takes no mail at present",
			"Since {{at \"now\"}} PROVIDER takes no mail, from us or from anybody. We keep what is addressed there and try again for four days."},
		{"maintenance", "Planned maintenance", "maintenance", "none", "SERVER moves to new hardware",
			"For some minutes within this time you will have to sign in again. Mail that arrives meanwhile is kept and delivered afterwards."},
	}
}
