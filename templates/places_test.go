package templates

import (
	"strings"
	"testing"
)

func TestAMessageWithAPlaceThatNothingFillsIsRefused(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"a slip in what no sample uses", "lang/en.json", `{"impact.rate.now":"Rate {rte}"}`, `lang/en.json: message "impact.rate.now" wants {rte}, which it is not given; there is {`},
		{"another language", "lang/de.json", `{"impact.rate.now":"Rate {rte}"}`, `lang/de.json: message "impact.rate.now" wants {rte}, which it is not given; there is {`},
		{"a place where there is none", "lang/en.json", `{"language.dir":"{dir}"}`, `lang/en.json: message "language.dir" wants {dir}, which it is not given; it has none`},
		{"a link without the link", "lang/fr.json", `{"sms.link":"{brand}"}`, `lang/fr.json: message "sms.link" must say {link}`},
		{"several", "lang/en.json", `{"impact.rate.now":"{b} {a}"}`, `wants {b}, which it is not given; there is {`},
	} {
		if err := withFiles(map[string]string{c.file: c.text}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		o := overriding(nil)
		o.Edits = map[string]string{c.file: c.text}
		if _, problems, err := Check(o); err != nil || len(problems) != 1 || problems[0].File != c.file || !strings.Contains(problems[0].String(), c.want) {
			t.Errorf("%s, edited: %v, %v", c.name, problems, err)
		}
	}
}

func TestEmbeddedMessagesPassAsAnOverride(t *testing.T) {
	for _, code := range []string{"en", "de", "es", "fr", "ja", "ar"} {
		source, err := Source(nil, "lang/"+code+".json")
		if err != nil {
			t.Fatal(err)
		}
		f, err := openFiles(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := parseMessages(code, []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		known, err := embeddedPlaces(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkPlaces("lang/"+code+".json", messages, known); err != nil {
			t.Error(err)
		}
		messages["impact.rate.now"] = "no place at all"
		if err := checkPlaces("lang/"+code+".json", messages, known); err != nil {
			t.Errorf("a place is left out: %v", err)
		}
	}
}

// It may be a wording, so that it is no mistake: whoever checks is told.
func TestAPlaceThatAMessageLeavesOutIsWarnedOf(t *testing.T) {
	o := overriding(nil)
	o.Edits = map[string]string{"lang/de.json": `{"impact.delay.whole":"{by}, so lange","lasted":"Dauer: {duration}."}`}
	set, problems, err := Check(o)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	if got := set.Warnings(); len(got) != 1 || got[0].String() != `lang/de.json: message "impact.delay.whole" leaves out {duration}, which the embedded one says` {
		t.Errorf("%v", got)
	}
}
