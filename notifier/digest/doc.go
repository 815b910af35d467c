// Package digest makes the digests of what subscribers missed, on their
// schedule. robfig/cron reads schedules; which day a run is of, and at what
// instant, is decided here, because its own clock skips and repeats runs where
// clocks change. The store keeps when each is due next.
package digest
