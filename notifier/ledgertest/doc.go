// Package ledgertest is a relay that keeps a ledger of what it took, and the
// check of that ledger against what the API accepted. Every test of a fault
// shares it.
//
// A test names its readers, says what it posts and what the API answered, does
// its damage, lets the program finish, and asks Check. Nothing of the program
// is trusted: who was told what is read from the mails themselves, from words
// that only one post or only one reader has.
package ledgertest
