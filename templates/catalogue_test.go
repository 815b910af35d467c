package templates

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"allclear/notifier"
)

func messagesOf(t *testing.T, code string) map[string]string {
	t.Helper()
	m, err := readMessages(embedded, "lang/"+code+".json")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func languageCodes(t *testing.T) []string {
	t.Helper()
	found, err := fs.Glob(embedded, "lang/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range found {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return out
}

var pluralEnd = regexp.MustCompile(`\.(zero|one|two|few|many|other)$`)

// stem is a key without its plural form, where others of its forms exist.
func stem(key string, all map[string]string) string {
	s := pluralEnd.ReplaceAllString(key, "")
	if _, ok := all[s+".other"]; ok {
		return s
	}
	return key
}

func TestEveryLanguageHasEveryMessageAndNoOther(t *testing.T) {
	en := messagesOf(t, fallback)
	for _, code := range languageCodes(t) {
		m := messagesOf(t, code)
		for k := range en {
			if _, ok := m[k]; !ok && (stem(k, en) == k || strings.HasSuffix(k, ".other")) {
				t.Errorf("lang/%s.json lacks %q", code, k)
			}
		}
		for k := range m {
			if _, ok := en[k]; !ok {
				if s := stem(k, m); s == k || en[s+".other"] == "" {
					t.Errorf("lang/%s.json has %q, which English has not", code, k)
				}
			}
		}
	}
}

func TestEveryTranslationHasThePlacesOfTheEnglishMessage(t *testing.T) {
	en := messagesOf(t, fallback)
	for _, code := range languageCodes(t) {
		for k, v := range messagesOf(t, code) {
			base, ok := en[k]
			if !ok {
				base = en[stem(k, en)+".other"]
			}
			want, got := placesOf(base), placesOf(v)
			if counted := pluralEnd.FindStringSubmatch(k); counted != nil && counted[1] != "other" && stem(k, en) != k {
				// "one person", "two people": forms for one number may say it in a word.
				want, got = lacking(want, "{n}"), lacking(got, "{n}")
			}
			if strings.HasPrefix(k, "subject.") {
				// A subject is given both title and state; a language may leave one out.
				want = got
			}
			if !slices.Equal(want, got) {
				t.Errorf("lang/%s.json %q: places %v, in English %v", code, k, got, want)
			}
			if strings.TrimSpace(v) == "" {
				t.Errorf("lang/%s.json %q is empty", code, k)
			}
		}
	}
}

func lacking(places []string, p string) []string {
	return slices.DeleteFunc(slices.Clone(places), func(s string) bool { return s == p })
}

func placesOf(m string) []string {
	out := place.FindAllString(m, -1)
	slices.Sort(out)
	return out
}

func TestEveryMessageThatCountsHasTheFormsOfItsLanguage(t *testing.T) {
	all := newSet(t).languages.all
	for _, c := range all {
		needed := map[string]bool{}
		for n := range 1000 {
			needed[c.form(n)] = true
		}
		if want := map[string]int{"ar": 6, "ja": 1}[c.code]; want != 0 && len(needed) != want {
			t.Errorf("%s: %d forms, want %d", c.code, len(needed), want)
		}
		forms := map[string][]string{}
		for k := range c.messages {
			if s := stem(k, c.messages); s != k {
				forms[s] = append(forms[s], strings.TrimPrefix(k, s+"."))
			}
		}
		for s, have := range forms {
			for _, f := range have {
				if !needed[f] {
					t.Errorf("lang/%s.json %q: the language has no form %q", c.code, s, f)
				}
			}
			if len(have) != 1 && len(have) != len(needed) {
				t.Errorf("lang/%s.json %q: forms %v, the language has %v", c.code, s, have, needed)
			}
		}
	}
}

func TestOneSentenceHasOneKindOfDigits(t *testing.T) {
	s := newSet(t)
	for _, c := range s.languages.all {
		p := Times{cat: c, zone: time.UTC}
		for _, text := range []string{c.value(3975), c.value(2.5), c.percent(0.125), p.Full(sampleAt(16, 11)), p.Duration(134 * time.Minute)} {
			if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsDigit(r) && r > '9' }) {
				t.Errorf("%s: %q", c.code, text)
			}
		}
	}
}

// sources is every template and Go file, as one text.
func sources(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, glob := range []string{"*.go", "mail/*.html", "mail/partials/*.html", "page/*.html", "page/partials/*.html"} {
		found, err := filepath.Glob(glob)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: nothing found, %v", glob, err)
		}
		for _, f := range found {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAll(b, nil))
		}
	}
	return out.String()
}

// madeKeys are the keys that code puts together.
func madeKeys() []string {
	var out []string
	for _, v := range views() {
		out = append(out, "subject."+v.name)
	}
	for _, v := range noticeViews() {
		out = append(out, "subject."+v.name)
		if v.name != notifier.BlankNotice {
			out = append(out, "notice."+v.name+".state")
		}
		switch {
		case v.counts:
			out = append(out, "notice."+v.name+".lead.one", "notice."+v.name+".lead.other")
		case v.name != notifier.BlankNotice:
			out = append(out, "notice."+v.name+".lead")
		}
	}
	for _, c := range wordedColumns() {
		out = append(out, "notice.column."+c)
	}
	for _, k := range notifier.Kinds {
		for _, s := range notifier.Statuses(k) {
			out = append(out, "status."+string(s))
		}
	}
	for s := notifier.SeverityMinor; s <= notifier.SeverityCritical; s++ {
		out = append(out, "severity."+s.String())
	}
	for _, s := range notifier.ComponentStates {
		out = append(out, "component."+string(s))
	}
	for _, k := range messageKinds() {
		for _, p := range []string{"title", "text", "next"} {
			out = append(out, "page.message."+string(k)+"."+p)
		}
	}
	for _, w := range doings() {
		out = append(out, "page.manage.done."+w)
	}
	for _, w := range managed() {
		out = append(out, "page.manage.wrong."+w)
	}
	for _, w := range []string{"pending", "active", "paused", "quarantined", "unsubscribed"} {
		out = append(out, "page.manage.is."+w)
	}
	for _, s := range notifier.DeliveryStates {
		out = append(out, "page.manage.became."+became(s))
	}
	for _, k := range notifier.Kinds {
		out = append(out, "page.subscribe.kind."+string(k))
	}
	for s := notifier.SeverityNone; s <= notifier.SeverityCritical; s++ {
		out = append(out, "page.subscribe.severity."+s.String())
	}
	for _, c := range []string{"instant", "milestones", "daily", "weekly", "monthly"} {
		out = append(out, "page.subscribe.cadence."+c)
	}
	fields := slices.DeleteFunc(shownFields(), func(f string) bool { return f == "all_quiet" || f == "mine" }) // boxes as the critical one
	for _, why := range append(fields, "incident", "twice", "refused", "later", "unknown", "other") {
		out = append(out, "page.subscribe.wrong."+why)
	}
	for _, w := range endpointWrongs() {
		out = append(out, "page.endpoint.wrong."+w)
	}
	for _, w := range phoneWrongs() {
		out = append(out, "page.phone.wrong."+w)
	}
	for _, d := range endpointDoings() {
		out = append(out, "page.endpoint.done."+d)
	}
	for _, d := range phoneDoings() {
		out = append(out, "page.phone.done."+d)
	}
	for _, t := range notifier.Announcements {
		out = append(out, "page.endpoint.type."+typeKey(t))
	}
	for _, is := range []string{"removed", "unconfirmed", "unproven", "active", "paused", "paused-until", "gone", "failing", "staff", "off", "troubled"} {
		out = append(out, "page.endpoint.is."+is)
	}
	for _, is := range []string{"pending", "active", "paused", "quarantined", "unsubscribed"} {
		out = append(out, "page.phone.is."+is)
	}
	for _, p := range actionPages() {
		out = append(out, "page."+p+".title")
	}
	for _, n := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12") {
		out = append(out, "month."+n, "page.history.name."+n)
	}
	for _, n := range strings.Fields("0 1 2 3 4 5 6") {
		out = append(out, "weekday."+n)
	}
	for _, d := range weekdays {
		out = append(out, "page.subscribe.weekday."+d)
	}
	for _, c := range []string{"daily", "weekly", "monthly", "last"} {
		out = append(out, "digest.title."+c)
	}
	for _, s := range []string{"pending", "active", "other"} {
		out = append(out, "page.manage.second-"+s)
	}
	for _, g := range digestGroups {
		out = append(out, "digest.group."+g, "digest.count."+g)
	}
	for _, i := range []string{"delay", "affected", "errors", "rate"} {
		out = append(out, "impact."+i+".now", "impact."+i+".over")
	}
	return out
}

func TestEveryMessageIsUsedAndEveryMessageThatIsUsedExists(t *testing.T) {
	en, src, made := messagesOf(t, fallback), sources(t), madeKeys()
	for _, k := range made {
		if _, ok := en[k]; !ok {
			t.Errorf("%q is used but not in the catalogue", k)
		}
	}
	for k := range en {
		if !slices.Contains(made, k) && !strings.Contains(src, `"`+stem(k, en)+`"`) {
			t.Errorf("%q is in the catalogue but not used", k)
		}
	}
	for _, m := range regexp.MustCompile(`\.(?:T|N|must|count) "([a-z.-]+)"|(?:must|count|plural)\("([a-z.-]+)"[,)]`).FindAllStringSubmatch(src, -1) {
		k := m[1] + m[2]
		if _, ok := en[k]; !ok && en[k+".other"] == "" {
			t.Errorf("%q is used but not in the catalogue", k)
		}
	}
}

func TestLanguagesAreMatchedAndTheTruthIsSaidOfThem(t *testing.T) {
	s := newSet(t)
	german := newSet(t, func(o *Options) { o.Language = "de" })
	for _, c := range []struct {
		set    *Set
		wanted string
		want   string
	}{
		{s, "", "en"}, {german, "", "de"},
		{s, "de", "de"}, {s, "de-AT", "de"}, {s, "DE", "de"}, {s, "en-GB", "en"},
		{s, "pt", "en"}, {german, "pt", "en"}, {s, "pt-BR,pt;q=0.9", "en"}, {s, "xx", "en"}, {s, "not a language!", "en"},
		{s, "es-MX", "es"}, {s, "es-419,es;q=0.9,en;q=0.8", "es"}, {s, "fr-CA", "fr"}, {s, "ja-JP", "ja"}, {s, "ar-EG", "ar"}, {s, "ar-MA,fr;q=0.7", "ar"},
		{s, "pt, fr;q=0.4", "fr"}, {s, "en-US,es;q=0.9", "en"}, {s, "zh-CN, ko;q=0.9", "en"}, {s, "he, fa;q=0.9", "en"},
		{s, "pt-BR, de;q=0.8, en;q=0.5", "de"}, {s, "*", "en"}, {german, "en;q=0.1, pt", "en"},
	} {
		if got := c.set.languages.find(c.wanted).code; got != c.want {
			t.Errorf("%q: %s, want %s", c.wanted, got, c.want)
		}
	}
	l, err := s.RenderSample("incident-opened", "pt", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.HTML, `<html lang="en" dir="ltr">`) || strings.Contains(l.HTML, `lang="pt"`) {
		t.Error("an English mail for a Portuguese reader does not say that it is English")
	}
}

func TestAServiceCannotSpeakALanguageThatIsNotThere(t *testing.T) {
	_, err := New(Options{Brand: Brand{Name: "x"}, BaseURL: "https://s.example", Language: "pt", Now: sampleNow})
	if err == nil || !strings.Contains(err.Error(), `there are no texts in "pt"; there are en, ar, de, es, fr, ja`) {
		t.Errorf("got %v", err)
	}
}

func TestAMessageThatLacksAValueIsAnError(t *testing.T) {
	c := newSet(t).languages.all[0]
	for _, args := range [][]any{{}, {"wrong", "x"}, {"duration"}} {
		if _, err := c.text("lasted", args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	if _, err := c.text("no.such.key"); err == nil {
		t.Error("a key that does not exist: no error")
	}
	if got, err := c.text("lasted", "duration", "{n} {{.}}"); err != nil || !strings.Contains(got, "{n} {{.}}") {
		t.Errorf("a value that looks like a place was read as one: %q, %v", got, err)
	}
}

func TestNumbersAndListsAreWrittenAsTheLanguageDoes(t *testing.T) {
	s := newSet(t)
	en, de := s.languages.find("en"), s.languages.find("de")
	for _, c := range []struct{ got, want string }{
		{en.count("page.home.followers", 3975), "3,975 people follow this page."},
		{de.count("page.home.followers", 3975), "3.975 Personen folgen dieser Seite."},
		{en.count("page.home.followers", 1), "1 person follows this page."},
		{en.percent(0.125), "12.5%"}, {de.percent(0.125), "12,5\u00a0%"},
		{s.languages.find("es").count("page.home.followers", 3975), "3.975 personas siguen esta página."},
		{s.languages.find("fr").count("page.home.followers", 3975), "3\u00a0975 personnes suivent cette page."},
		{s.languages.find("ja").count("page.home.followers", 3975), "3,975人がこのページを購読しています。"},
		{s.languages.find("ar").count("page.home.followers", 2), "يتابع هذه الصفحة شخصان."},
		{s.languages.find("ar").count("page.home.followers", 7), "يتابع هذه الصفحة 7 أشخاص."},
		{s.languages.find("ar").count("page.home.followers", 3975), "يتابع هذه الصفحة 3,975 شخصًا."},
		{s.languages.find("ar").count("page.home.followers", 102), "يتابع هذه الصفحة 102 شخص."},
		{s.languages.find("es").list([]string{"a", "b", "c"}), "a, b y c"}, {s.languages.find("fr").list([]string{"a", "b"}), "a et b"},
		{s.languages.find("ja").list([]string{"a", "b", "c"}), "a、b、c"}, {s.languages.find("ar").list([]string{"ا", "ب", "ج"}), "ا، ب وج"},
		{en.list(nil), ""}, {en.list([]string{"a"}), "a"}, {en.list([]string{"a", "b"}), "a and b"},
		{de.list([]string{"a", "b", "c"}), "a, b und c"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTextOfTheOtherDirectionIsSetOffInSentences(t *testing.T) {
	s := newSet(t)
	en, ar := s.languages.find("en"), s.languages.find("ar")
	for _, c := range []struct{ got, want string }{
		{ar.must("subject.incident-corrected", "title", "imap7 is slow"), "تصحيح: \u2068imap7 is slow\u2069"},
		{ar.must("subject.incident-corrected", "title", "البريد متأخر"), "تصحيح: البريد متأخر"},
		{ar.must("subject.incident-corrected", "title", "42"), "تصحيح: 42"},
		{ar.must("subject.post", "title", "imap7 is slow"), "imap7 is slow"},
		{ar.must("why", "brand", "Example"), "تصلك هذه الرسالة لأن هذا العنوان يتابع \u2068Example\u2069."},
		{ar.parts([]string{"imap7", "web"}, map[string]string{"web": "الويب"}), "\u2068imap7\u2069 والويب"},
		{en.must("subject.incident-corrected", "title", "imap7 is slow"), "Corrected: imap7 is slow"},
		{en.must("subject.incident-corrected", "title", "البريد متأخر"), "Corrected: \u2068البريد متأخر\u2069"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
