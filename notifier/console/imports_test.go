package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
	"allclear/subscribers"
)

const importing = "/console/subscribers/import"

// bring sends a file to be looked at, or brought in.
func (w *browser) bring(file string, pairs ...string) page {
	w.b.t.Helper()
	return w.sendFile(importing, importing, strings.NewReader(file), pairs...)
}

var looked = regexp.MustCompile(`name="seen" value="([^"]+)"`)

func (b *bench) subscribers(q subscribers.Query) []subscribers.Subscriber {
	b.t.Helper()
	q.Limit = 1000
	found, _, err := b.store.Subscribers(b.t.Context(), q)
	b.must(err)
	return found
}

func TestAFileOfSubscribersIsLookedAtBeforeItIsBroughtIn(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RoleAdmin))
		b.component("web", "Web site")
		b.must(b.store.Suppress(t.Context(), subscribers.Suppression{Channel: notifier.Email, Address: "barred@example.com", Reason: subscribers.ReasonManual}))
		const file = "address,components,state\n" +
			"ann@example.com,web,active\n" +
			"<bob@example.com>,,active\n" +
			"carl@example.com,no<such,active\n" +
			"barred@example.com,,active\n" +
			"\"dora@example.com,,active\n" +
			"emil@example.com,,\n"
		w.get("/console/subscribers").is(http.StatusOK, importing)
		w.get(importing).is(http.StatusOK, "Look at it first")
		counts := []string{"<dt>Rows</dt><dd>6</dd>", "<dt>Added</dt><dd>2</dd>", "active</dt><dd>1</dd>", "confirm</dt><dd>1</dd>", "left out</dt><dd>1</dd>", "<dt>Cannot be used</dt><dd>3</dd>", `data-label="Line" class="number">4</td>`, "no&lt;such", ">components<"}
		dry := w.bring(file).is(http.StatusOK, append(counts, "What it would do", "Bring it in")...)
		seen := looked.FindStringSubmatch(dry.body)[1]
		for says, again := range map[string]page{
			"another file":   w.bring(strings.Replace(file, "emil", "fred", 1), "do", "import", "seen", seen),
			"another choice": w.bring(file, "do", "import", "seen", seen, "overwrite", "1"),
			"unseen":         w.bring(file, "do", "import"),
			"another person": b.enter(b.hire("kari", notifier.RoleAdmin)).bring(file, "do", "import", "seen", seen),
		} {
			again.is(http.StatusOK, "nothing was brought in", "What it would do")
			if all := b.subscribers(subscribers.Query{}); len(all) != 0 {
				t.Fatalf("%s: %+v", says, all)
			}
		}
		w.bring(file, "do", "import", "seen", seen).is(http.StatusOK, append(counts, "Brought in: 2 added", "What came of it")...)
		all := b.subscribers(subscribers.Query{})
		if len(all) != 2 || all[0].State != subscribers.Pending || all[1].State != subscribers.Active {
			t.Errorf("%+v", all)
		}
		if story, err := b.store.Story(t.Context(), 1); err != nil || story.Event.Type != notifier.SubscriberConfirm {
			t.Errorf("who came in as pending was not asked: %+v, %v", story.Event, err)
		}
		w.get("/console/audit?action=subscriber.import").is(http.StatusOK, "staff:ann", "1 added")
		over := "email;components\nann@example.com;\n"
		seen = looked.FindStringSubmatch(w.bring(over, "overwrite", "1").is(http.StatusOK, "<dt>Changed</dt><dd>1</dd>").body)[1]
		w.bring(over, "do", "import", "seen", seen, "overwrite", "1").is(http.StatusOK, "1 changed")
		// Second addresses come along: one is another's own, and its line comes in without it.
		seconds := "address,state,second_address\nida@example.com,active,ida@elsewhere.example\nodd@example.com,active,ann@example.com\n"
		b.must(b.store.SetOwnDomains(t.Context(), []subscribers.OwnDomain{{Domain: "example.com", Component: "web"}}))
		seen = looked.FindStringSubmatch(w.bring(seconds).is(http.StatusOK, "<dt>Added</dt><dd>2</dd>", "<dt>Second addresses</dt><dd>1</dd>", "refused</dt><dd>1</dd>", "comes in without it", ">second_address<").body)[1]
		w.bring(seconds, "do", "import", "seen", seen).is(http.StatusOK, "Brought in: 2 added", "<dt>Second addresses</dt><dd>1</dd>")
		for _, bad := range [][2]string{{"colour,address\nred,ann@example.com\n", "is not a known column"}, {"", "the file is empty"}} {
			w.bring(bad[0]).is(http.StatusUnprocessableEntity, "This file cannot be used", bad[1])
		}
	})
}

func TestAFileThatDiffersAnywhereFromTheOneThatWasLookedAtIsNotBroughtIn(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	var all strings.Builder
	all.WriteString("address,state\n")
	for i := range 3000 {
		fmt.Fprintf(&all, "reader%06d@example.com,active\n", i)
	}
	seen := looked.FindStringSubmatch(w.bring(all.String()).is(http.StatusOK, "<dt>Added</dt><dd>3,000</dd>").body)[1]
	w.bring(all.String()+"one.more@example.com,active\n", "do", "import", "seen", seen).is(http.StatusOK, "nothing was brought in", "<dt>Added</dt><dd>3,001</dd>")
	if all := b.subscribers(subscribers.Query{}); len(all) != 0 {
		t.Fatalf("%d came in", len(all))
	}
	w.bring(all.String(), "do", "import", "seen", seen).is(http.StatusOK, "Brought in: 3,000 added")
}

func TestAFileForWhichThereIsNoRoomIsRefusedAndTheDiskStaysFree(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0], func(o *console.Options) {
		o.Spare = func(string) int64 { return 1 << 20 }
	})
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	const file = "address,state\nann@example.com,active\n"
	seen := looked.FindStringSubmatch(w.bring(file).is(http.StatusOK).body)[1]
	w.bring(file, "do", "import", "seen", seen).is(http.StatusUnprocessableEntity, "no room to keep it", "allclear subscriber import")
	if all := b.subscribers(subscribers.Query{}); len(all) != 0 {
		t.Fatalf("%d came in", len(all))
	}
}
