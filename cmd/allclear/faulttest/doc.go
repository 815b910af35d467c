// Package faulttest proves what the built program survives: it is killed, cut
// off, frozen and lied to, and then asked who was told.
//
// Nothing in the program knows of these tests. They start it as a process of
// its own, do their damage from outside (signals, a relay that misbehaves, a
// proxy before the database, strace between it and the kernel, a copy of a file
// system that was never synced), let it finish, and hand the ledger of the relay
// to ledgertest, which complains. That the complaints come where they must is
// shown by negative controls.
//
// `make test` runs each fault a few times; `make soak` runs them for long:
//
//	ALLCLEAR_TEST_ROUNDS=300       how often each random fault strikes on each database
//	ALLCLEAR_TEST_SEED=...         the moments at which it does; printed by every test
//	ALLCLEAR_TEST_RESTORE=100000   how many a restore is told to, by each door
//	ALLCLEAR_TEST_UPLOAD=1000      megabytes of the file that is uploaded
package faulttest
