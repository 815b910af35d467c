package notifier

// Finding is what was found of one thing that mail depends on: a record in DNS,
// say, or a relay. It holds nothing up.
type Finding struct {
	About string // what was looked at: "DKIM", "relay"
	OK    bool
	Text  string // a sentence; where it is not OK, with the mend
}
