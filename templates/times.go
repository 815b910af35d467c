package templates

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/bidi"

	"allclear/notifier"
)

// Times prints instants and durations for readers of one language in one zone.
// All text about time goes through it: every instant is shown in UTC and, where
// that is another clock, in the reader's zone, both named (I8).
type Times struct {
	cat  *catalogue
	zone *time.Location
}

// Full prints an instant with its weekday and date: "Mon 23 Nov 2026, 16:11 UTC (17:11 CET)".
func (p Times) Full(t time.Time) string {
	u, own := t.UTC(), t.In(p.zone)
	text := p.dated(p.weekday(u, p.date(u, true)), u, "UTC", p.clock)
	switch {
	case p.isUTC(own):
		return text
	case sameDay(u, own):
		return p.both(text, p.plain(own, p.clock))
	}
	return p.both(text, p.dated(p.weekday(own, p.date(own, false)), own, ZoneName(own), p.clock))
}

// Moment prints an instant beside another one: the date is left out where it is
// the day of ref on both clocks, the year where it is ref's.
func (p Times) Moment(t, ref time.Time) string { return p.moment(t, ref, p.clock) }

// Exact is Moment to the second.
func (p Times) Exact(t, ref time.Time) string {
	return p.moment(t, ref, func(t time.Time) string {
		return p.cat.must("time.clock-seconds", "hour", t.Format("15"), "minute", t.Format("04"), "second", t.Format("05"))
	})
}

// within prints moments for a text that staff wrote, which may run in the other
// direction than the reader's language. There each is set off by Unicode's
// isolates: it runs as the reader's language where the text does too, and else
// as its own first letter says.
func (p Times) within(text string, ref time.Time) func(time.Time) string {
	own, opens := p.cat.dir(), ""
	switch runs := direction(text); {
	case own == "rtl" && runs == own:
		opens = fromRight
	case own == "rtl", runs != "" && runs != own:
		opens = byItself
	}
	return func(t time.Time) string {
		if opens == "" {
			return p.Moment(t, ref)
		}
		return opens + p.Moment(t, ref) + endIsolate
	}
}

// Unicode's marks around a text that runs by itself (UAX 9).
const (
	fromRight  = "\u2067"
	byItself   = "\u2068"
	endIsolate = "\u2069"
)

// direction is that of the first letter of a text, without the times in it, as
// dir="auto" has it: ltr, rtl, or "" where there is none.
func direction(text string) string {
	for _, r := range notifier.PrintTimes(text, func(time.Time) string { return "" }) {
		switch p, _ := bidi.LookupRune(r); p.Class() {
		case bidi.L:
			return "ltr"
		case bidi.R, bidi.AL:
			return "rtl"
		}
	}
	return ""
}

// Span prints two instants beside another one; where both lie on one day by
// the same clock, the date and the zone once: "24 Nov, 02:00 to 04:00 UTC".
func (p Times) Span(from, to, ref time.Time) string {
	a, b := from.In(p.zone), to.In(p.zone)
	if !sameDay(from.UTC(), to.UTC()) || !sameDay(a, b) || ZoneName(a) != ZoneName(b) {
		return p.cat.must("page.planned", "start", p.Moment(from, ref), "end", p.Moment(to, ref))
	}
	return p.moment(from, ref, func(t time.Time) string {
		return p.cat.must("page.planned", "start", p.clock(t), "end", p.clock(to.In(t.Location())))
	})
}

func (p Times) moment(t, ref time.Time, clock func(time.Time) string) string {
	u, own := t.UTC(), t.In(p.zone)
	ur, ownr := ref.UTC(), ref.In(p.zone)
	day := !sameDay(u, ur) || !p.isUTC(own) && (!sameDay(own, ownr) || !sameDay(u, own))
	text := p.plain(u, clock)
	if day {
		text = p.dated(p.date(u, u.Year() != ur.Year()), u, "UTC", clock)
	}
	switch {
	case p.isUTC(own):
		return text
	case sameDay(u, own):
		return p.both(text, p.plain(own, clock))
	}
	return p.both(text, p.dated(p.date(own, own.Year() != ownr.Year()), own, ZoneName(own), clock))
}

// Duration prints how long something took, to the minute below a day and to the hour above.
func (p Times) Duration(d time.Duration) string {
	d = d.Round(time.Minute)
	if d >= 24*time.Hour {
		d = d.Round(time.Hour)
		return p.pair(p.cat.count("duration.days", int(d/(24*time.Hour))), "duration.hours", int(d%(24*time.Hour)/time.Hour))
	}
	h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
	switch {
	case d <= 0:
		return p.cat.must("duration.none")
	case h == 0:
		return p.cat.count("duration.minutes", m)
	}
	return p.pair(p.cat.count("duration.hours", h), "duration.minutes", m)
}

// Between prints how long it is from one instant to another as whoever reads
// the two would reckon it: they are printed to the minute.
func (p Times) Between(from, to time.Time) string {
	return p.Duration(to.Truncate(time.Minute).Sub(from.Truncate(time.Minute)))
}

func (p Times) pair(large, key string, n int) string {
	if n == 0 {
		return large
	}
	return p.cat.must("duration.pair", "large", large, "small", p.cat.count(key, n))
}

func (p Times) both(utc, own string) string { return p.cat.must("time.both", "utc", utc, "own", own) }

func (p Times) clock(t time.Time) string {
	return p.cat.must("time.clock", "hour", t.Format("15"), "minute", t.Format("04"))
}

func (p Times) plain(t time.Time, clock func(time.Time) string) string {
	return p.cat.must("time.plain", "clock", clock(t), "zone", ZoneName(t))
}

func (p Times) dated(date string, t time.Time, zone string, clock func(time.Time) string) string {
	return p.cat.must("time.dated", "date", date, "clock", clock(t), "zone", zone)
}

func (p Times) date(t time.Time, year bool) string {
	month := p.cat.must("month." + strconv.Itoa(int(t.Month())))
	if year {
		return p.cat.must("time.date-year", "day", strconv.Itoa(t.Day()), "month", month, "year", strconv.Itoa(t.Year()))
	}
	return p.cat.must("time.date", "day", strconv.Itoa(t.Day()), "month", month)
}

func (p Times) weekday(t time.Time, date string) string {
	return p.cat.must("time.weekday", "weekday", p.cat.must("weekday."+strconv.Itoa(int(t.Weekday()))), "date", date)
}

// isUTC reports whether the reader's clock is UTC by name. London in winter is
// not: its readers know it as GMT.
func (p Times) isUTC(own time.Time) bool {
	name, _ := own.Zone()
	return name == "UTC"
}

// ZoneName names t's zone as every text of ours does; where the tz database knows only an offset, in
// the form "UTC+5:45", which needs no explaining.
func ZoneName(t time.Time) string {
	name, offset := t.Zone()
	if name != "" && !strings.ContainsAny(name[:1], "+-") {
		return name
	}
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	name = "UTC" + sign + strconv.Itoa(offset/3600)
	if m := offset % 3600 / 60; m != 0 {
		name += ":" + strconv.Itoa(m/10) + strconv.Itoa(m%10)
	}
	return name
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}
