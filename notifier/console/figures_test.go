package console_test

import (
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestWhatReadersFeltIsWrittenInNumbersShownAndPostedAsItWasShown(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RolePoster))
		const at = "/console/incidents/new"
		w.get(at).is(http.StatusOK, "<details><summary>Numbers")
		form := []string{
			"kind", "incident", "title", "Mail is slow", "severity", "minor", "body", "We look into it.",
			"delay_min", "5", "delay_max", "10", "error_rate", " 2.5 % ", "affected_share", "7", "per_second", "200",
		}
		shown := w.send(at, at, append(form, "do", "preview")...).is(http.StatusOK, "Mail is delayed by 5 to 10 minutes", "2.5% of requests fail", "7% of users are affected", "The rate is 200 a second", "<details open><summary>Numbers", `name="affected_share" inputmode="decimal" value="7"`)
		once, seen := marks(shown)
		other := append([]string{}, form...)
		other[len(other)-1] = "20"
		w.send(at, at, append(other, "do", "post", "once", once, "seen", seen)...).is(http.StatusOK, "it was not posted")
		to := w.send(at, at, append(form, "do", "post", "once", once, "seen", seen)...).is(http.StatusSeeOther).header.Get("Location")
		here, _, _ := strings.Cut(to, "?")
		w.get(here).is(http.StatusOK, "5 to 10 min", "<dd>2.5 %</dd>", "<dd>7 %</dd>", "<dt>A second</dt><dd>200</dd>")
		if i := b.incidents()[0].Impact; *i.ErrorRate != 0.025 || *i.AffectedShare != 0.07 || *i.PerSecond != 200 {
			t.Errorf("%v %v %v", *i.ErrorRate, *i.AffectedShare, *i.PerSecond)
		}
		// An update says what it names, and the rest stays; a correction takes back.
		say := here + "/update"
		update := []string{"known", known(w.get(say).is(http.StatusOK, "stays as it was")), "status", "identified", "severity", "minor", "body", "A disk.", "affected_share", "12.5"}
		once, seen = marks(w.send(say, say, append(update, "do", "preview")...).is(http.StatusOK, "12.5% of users"))
		w.send(say, say, append(update, "do", "post", "once", once, "seen", seen)...).leads(here + "?done=posted")
		correct := here + "/correct"
		had := `delay_max=10&amp;delay_min=5&amp;error_rate=2.5&amp;per_second=200`
		w.get(correct).is(http.StatusOK, `value="12.5"`, `name="figures" value="affected_share=12.5&amp;`+had)
		w.send(correct, correct, "title", "Mail is slow", "severity", "minor", "figures", "affected_share=12.5&"+strings.ReplaceAll(had, "&amp;", "&"), "delay_max", "10", "error_rate", "101").is(http.StatusUnprocessableEntity, "no share of 100")
		w.send(correct, correct, "title", "Slow mail", "severity", "minor").leads(here + "?done=corrected")
		if i := b.incidents()[0]; i.Title != "Slow mail" || *i.Impact.AffectedShare != 0.125 || *i.Impact.DelayMinMinutes != 5 {
			t.Errorf("whoever touched no figure changed one: %+v", i)
		}
		w.send(correct, correct, "title", "Slow mail", "severity", "minor", "figures", "x", "delay_max", "10").leads(here + "?done=corrected")
		if i := b.incidents()[0].Impact; i.ErrorRate != nil || i.DelayMinMinutes != nil || *i.DelayMaxMinutes != 10 {
			t.Errorf("%+v", i)
		}
	})
}

func TestANumberThatIsNoneIsNamedByItsField(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RolePoster))
	const at = "/console/incidents/new"
	for _, c := range [][3]string{
		{"delay_max", "ten", "is no number of minutes"}, {"delay_min", "NaN", "is no number of minutes"}, {"error_rate", "101 %", "is no share of 100"},
		{"affected_share", "-1", "is no share of 100"}, {"per_second", "1e13", "is no number"}, {"delay_min", "20", "is more than the delay that it goes to"},
	} {
		form := []string{"kind", "incident", "title", "x", "severity", "minor", "body", "x", "delay_max", "10"}
		if c[0] == "delay_max" {
			form = form[:len(form)-2]
		}
		w.send(at, at, append(form, c[0], c[1])...).is(http.StatusUnprocessableEntity, `href="#`+c[0]+`"`, c[2], `id="`+c[0]+`" name="`+c[0]+`" inputmode="decimal" value="`+c[1]+`" aria-invalid="true"`)
	}
}
