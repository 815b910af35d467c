package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

var hidden = regexp.MustCompile(`name="(once|seen)" value="([^"]*)"`)

// marks are what a page to write on carries.
func marks(p page) (once, seen string) {
	for _, m := range hidden.FindAllStringSubmatch(p.body, -1) {
		if m[1] == "once" {
			once = m[2]
		} else {
			seen = m[2]
		}
	}
	return once, seen
}

// known are the updates that a page to write an update on knows of.
func known(p page) string {
	_, after, _ := strings.Cut(p.body, `name="known" value="`)
	ids, _, _ := strings.Cut(after, `"`)
	return ids
}

func (b *bench) incidents() []notifier.Incident {
	b.t.Helper()
	all, _, err := b.store.Incidents(b.t.Context(), notifier.IncidentQuery{Limit: 100, Updates: true})
	b.must(err)
	return all
}

func (b *bench) component(key, name string) {
	b.t.Helper()
	b.must(b.store.AddComponent(b.t.Context(), notifier.Component{Key: key, Name: name, State: notifier.Operational}))
}

func TestAnIncidentIsPostedOnceAndOnlyAsItWasPreviewed(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		b.component("imap7", "imap7 mailboxes")
		w := b.enter(b.hire("ann", notifier.RolePoster))
		const at = "/console/incidents/new"
		form := []string{"kind", "incident", "title", "imap7 does <not> answer", "severity", "major", "body", "Since 16:11 nobody can *read* mail.", "components", "imap7"}
		unseen := w.send(at, at, append(form, "do", "post")...)
		unseen.is(http.StatusOK, "it was not posted", "As readers will get it")
		shown := w.send(at, at, append(form, "do", "preview")...)
		shown.is(http.StatusOK, "Subject:", "imap7 does &lt;not&gt; answer", "16:11 has no time zone", "nobody is subscribed yet", "incident.created", "srcdoc=", "Text message")
		if len(b.incidents()) != 0 {
			t.Fatal("a preview wrote something")
		}
		if policy := shown.header.Get("Content-Security-Policy"); !strings.Contains(policy, "'unsafe-hashes' 'sha256-") || strings.Contains(policy, "unsafe-inline") {
			t.Errorf("policy %s", policy)
		}
		once, seen := marks(shown)
		post := func(more ...string) page {
			return w.send(at, at, append(append(append([]string{}, form...), "do", "post", "once", once, "seen", seen), more...)...)
		}
		changed := append([]string{}, form...)
		changed[3] = "another title"
		w.send(at, at, append(changed, "do", "post", "once", once, "seen", seen)...).is(http.StatusOK, "it was not posted")
		first := post().is(http.StatusSeeOther).header.Get("Location")
		again := post().is(http.StatusSeeOther).header.Get("Location")
		if !strings.HasSuffix(first, "?done=posted") || again != strings.Replace(first, "posted", "twice", 1) {
			t.Errorf("it leads to %q, then to %q", first, again)
		}
		all := b.incidents()
		if len(all) != 1 || all[0].Severity != notifier.SeverityMajor || all[0].Components[0] != "imap7" || all[0].State != notifier.Published {
			t.Fatalf("%+v", all)
		}
		w.get(first).is(http.StatusOK, "Posted.", "imap7 does &lt;not&gt; answer", "new incident")
		w.get("/console").is(http.StatusOK, "imap7 does &lt;not&gt; answer", "Say something")
	})
}

func TestAnUpdateIsPreviewedAndPostedOnceAndTheAllClearSaysHowLongItLasted(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RolePoster))
		id := b.announce("Mail is slow")
		at := "/console/incidents/" + id + "/update"
		b.Advance(65 * time.Minute)
		w.get(at+"?status=resolved").is(http.StatusOK, `value="resolved" selected`)
		form := []string{"known", known(w.get(at)), "status", "resolved", "severity", "minor", "body", "All queues are empty."}
		shown := w.send(at, at, append(form, "do", "preview")...).is(http.StatusOK, "incident.resolved", "1 h 5 min")
		once, seen := marks(shown)
		for _, done := range []string{"posted", "twice"} {
			w.send(at, at, append(form, "do", "post", "once", once, "seen", seen)...).leads("/console/incidents/" + id + "?done=" + done)
		}
		if all := b.incidents(); len(all[0].Updates) != 2 || all[0].Status != notifier.Resolved {
			t.Errorf("%+v", all)
		}
		w.send(at, at, "status", "investigating", "body", `{{at "yesterday"}}`, "severity", "minor").is(http.StatusUnprocessableEntity, "yesterday")
		w.send(at, at, "status", "investigating", "body", "x", "at", "soon", "severity", "minor").is(http.StatusUnprocessableEntity, "is no time")
	})
}

func TestAFormThatIsSentAgainWithAnotherTextIsShownAndNotSaidToBePosted(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RolePoster))
		const at = "/console/incidents/new"
		form := func(title, do string, more ...string) []string {
			return append([]string{"kind", "incident", "title", title, "severity", "minor", "body", "Since {{at \"-20m\"}}.", "do", do}, more...)
		}
		once, seen := marks(w.send(at, at, form("Mail is slow", "preview")...))
		w.send(at, at, form("Mail is slow", "draft", "once", once)...).is(http.StatusSeeOther)
		b.Advance(time.Minute)
		if to := w.send(at, at, form("Mail is slow", "draft", "once", once)...).header.Get("Location"); !strings.HasSuffix(to, "?done=twice") {
			t.Errorf("the same draft again leads to %q", to)
		}
		// Back, and the other button: a draft is not a post.
		shown := w.send(at, at, form("Mail is slow", "post", "once", once, "seen", seen)...).is(http.StatusOK, "was not posted. Post it too only if both are meant", "Mail is slow")
		if len(b.incidents()) != 1 {
			t.Fatalf("%+v", b.incidents())
		}
		again, seen := marks(shown)
		if again == once {
			t.Error("the form has the same name")
		}
		w.send(at, at, form("Mail is slow", "post", "once", again, "seen", seen)...).is(http.StatusSeeOther)
		_, seen = marks(w.send(at, at, form("Another", "preview", "once", again)...))
		w.send(at, at, form("Another", "post", "once", again, "seen", seen)...).is(http.StatusOK, "which stands as “Mail is slow”", "was not posted")
		if len(b.incidents()) != 2 {
			t.Errorf("%+v", b.incidents())
		}
	})
}

func TestAnUpdateThatIsSentAgainWithAnotherTextIsPostedOnceItIsSeen(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RolePoster))
		id := b.announce("Mail is slow")
		at := "/console/incidents/" + id + "/update"
		before := known(w.get(at))
		form := func(body, known, do string, more ...string) []string {
			return append([]string{"known", known, "status", "identified", "severity", "minor", "body", body, "do", do}, more...)
		}
		once, seen := marks(w.send(at, at, form("A disk broke.", before, "preview")...))
		w.send(at, at, form("A disk broke.", before, "post", "once", once, "seen", seen)...).leads("/console/incidents/" + id + "?done=posted")
		_, seen = marks(w.send(at, at, form("Two disks broke.", before, "preview", "once", once)...))
		shown := w.send(at, at, form("Two disks broke.", before, "post", "once", once, "seen", seen)...).is(http.StatusOK, "was posted meanwhile", "A disk broke.")
		_, seen = marks(shown)
		w.send(at, at, form("Two disks broke.", known(shown), "post", "once", once, "seen", seen)...).leads("/console/incidents/" + id + "?done=posted")
		if said := b.incidents()[0].Updates; len(said) != 3 || said[2].Body != "Two disks broke." {
			t.Errorf("%+v", said)
		}
	})
}

// announce opens an incident.
func (b *bench) announce(title string) string {
	b.t.Helper()
	p, err := notifier.Open(notifier.Announcement{Title: title, Severity: notifier.SeverityMinor, Body: "We are looking into it."}, b.desk())
	b.must(err)
	p, err = b.store.OpenIncident(b.t.Context(), p)
	b.must(err)
	return p.Incident.ID
}

func (b *bench) desk() notifier.Desk {
	return notifier.Desk{Now: b.Now(), Zone: time.UTC, NewID: func() string { b.ids++; return "made" + string(rune('a'+b.ids)) }}
}

func TestADraftIsPublishedCorrectedAndRetractedWithOrWithoutAMail(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RolePoster))
	const at = "/console/incidents/new"
	to := w.send(at, at, "kind", "post", "title", "A new shelf", "body", "It has come.", "do", "draft").is(http.StatusSeeOther).header.Get("Location")
	here := strings.TrimSuffix(to, "?done=draft")
	w.get(to).is(http.StatusOK, "Kept as a draft", "Publish and tell everybody")
	w.get("/console").is(http.StatusOK, "1 draft waits")
	w.send(here, here+"/publish", "do", "quiet", "version", w.field(here, version)).leads(here + "?done=published")
	w.get(here+"/correct").is(http.StatusOK, "A new shelf")
	w.send(here+"/correct", here+"/correct", "title", "").is(http.StatusUnprocessableEntity)
	w.send(here+"/correct", here+"/correct", "title", "A new disk shelf").leads(here + "?done=corrected")
	update := b.incidents()[0].Updates[0]
	w.get(here+"/updates/"+update.ID).is(http.StatusOK, "It has come.")
	w.send(here+"/updates/"+update.ID, here+"/updates/"+update.ID, "body", "It has come today.", "tell", "1").leads(here + "?done=corrected")
	w.get(here+"/retract").is(http.StatusOK, "cannot be brought back")
	w.send(here+"/retract", here+"/retract", "body", "Wrong page.", "do", "quiet").leads(here + "?done=retracted")
	got := b.incidents()[0]
	if got.Title != "A new disk shelf" || got.State != notifier.Retracted || got.Updates[0].Body != "It has come today." {
		t.Errorf("%+v", got)
	}
	w.get(here).is(http.StatusOK, "retracted")
	w.send("/console/account", here+"/retract", "do", "quiet").is(http.StatusConflict, "retracted already")
}

func TestADraftIsPublishedAsItWasSeenAndNotOtherwise(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RolePoster))
		const at = "/console/incidents/new"
		to := w.send(at, at, "kind", "incident", "severity", "minor", "title", "Mail is slow", "body", "Up to *ten* minutes.", "do", "draft").is(http.StatusSeeOther).header.Get("Location")
		here := strings.TrimSuffix(to, "?done=draft")
		shown := w.get(here).is(http.StatusOK, "As readers will get it", "Subject:", "What it says")
		if policy := shown.header.Get("Content-Security-Policy"); !strings.Contains(policy, "'unsafe-hashes' 'sha256-") || !strings.Contains(shown.body, "ten") {
			t.Errorf("policy %s", policy)
		}
		seen := version.FindStringSubmatch(shown.body)[1]
		update := b.incidents()[0].Updates[0].ID
		w.send(here+"/updates/"+update, here+"/updates/"+update, "body", "Up to *twenty* minutes.").leads(here + "?done=corrected")
		for _, old := range []string{seen, "", "none"} {
			w.send(here, here+"/publish", "do", "tell", "version", old).is(http.StatusConflict, "was changed since you looked at it")
		}
		if state := b.incidents()[0].State; state != notifier.Draft {
			t.Fatalf("it is %s", state)
		}
		seen = w.field(here, version)
		w.send(here, here+"/publish", "do", "tell", "version", seen).leads(here + "?done=published")
		w.send("/console/account", here+"/publish", "do", "tell", "version", seen).is(http.StatusConflict, "only a draft can be published")
	})
}

func TestASampleFillsTheFormIn(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RolePoster))
	w.get("/console/incidents/new?as=mail-delayed").is(http.StatusOK, `value="Mail is delayed"`, "The next news is due at {{at &#34;&#43;30m&#34;}}")
}

func TestASubscribersHistoryIsShownAndASuppressionIsLiftedByAnAdminOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w, sender := b.enter(b.hire("ann", notifier.RoleAdmin)), b.enter(b.hire("kari", notifier.RoleSender))
		sender.get("/console/subscribers?address=nobody%40example.com").is(http.StatusOK, "Nobody with such an address follows")
		sender.get("/console/subscribers?address=x%25y").is(http.StatusOK, "Nobody with such an address follows")
		w.send("/console/suppressions", "/console/suppressions", "address", "Bob@Example.com", "note", "asked by phone").leads("/console/suppressions?done=barred")
		sender.get("/console/suppressions").is(http.StatusOK, "Bob@example.com", "asked by phone", "manual")
		sender.get("/console/subscribers?address=Bob%40example.com").is(http.StatusOK, "is suppressed", "asked by phone")
		w.send("/console/suppressions", "/console/suppressions/lift", "address", "Bob@example.com", "back", "/console/subscribers?state=active").leads("/console/subscribers?done=lifted&state=active")
		sender.get("/console/suppressions").is(http.StatusOK, "None.")
	})
}

func TestASubscriberAndTheirSecondAddressLeadToEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("kari", notifier.RoleSender))
		b.must(b.store.AddComponent(t.Context(), notifier.Component{Key: "imap7", Name: "IMAP", State: notifier.Operational}))
		b.must(b.store.SetOwnDomains(t.Context(), []subscribers.OwnDomain{{Domain: "own.example", Component: "imap7"}}))
		s, err := b.store.AddSubscriber(t.Context(), subscribers.Subscriber{Channel: notifier.Email, Address: "ann@own.example", State: subscribers.Active, Cadence: subscribers.Instant}, nil)
		b.must(err)
		s, err = b.store.SetSecond(t.Context(), s.Number, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		first, second := "/console/subscribers/"+s.Number.String(), "/console/subscribers/"+s.Second.Number.String()
		w.get(first).is(http.StatusOK, `<a href="`+second+`">ann@elsewhere.example</a>`, "email, active")
		w.get(second).is(http.StatusOK, "Second address of", `<a href="`+first+`">ann@own.example</a>`)
	})
}

func TestStaffFindSomebodyByAPartOfTheirAddressAndChangeWhatTheyHear(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("kari", notifier.RoleSender))
		b.component("imap7", "Reading mail")
		for _, address := range []string{"Ann.Lee@example.com", "annlee@example.com"} {
			_, err := b.store.AddSubscriber(t.Context(), subscribers.Subscriber{Channel: notifier.Email, Address: address, State: subscribers.Active, Cadence: subscribers.Instant}, nil)
			b.must(err)
		}
		found := w.get("/console/subscribers?address=ann.l").is(http.StatusOK, "Ann.Lee@example.com")
		if strings.Contains(found.body, "annlee@") {
			t.Error("a dot stands for another letter")
		}
		w.get("/console/subscribers?address=n_lee").is(http.StatusOK, "Nobody with such an address follows")
		const at = "/console/subscribers/s1/edit"
		w.get("/console/subscribers/s1").is(http.StatusOK, `href="`+at+`"`)
		w.get(at).is(http.StatusOK, `<option selected>instant`, `value="imap7"> <span`)
		wrong := w.send(at, at, "severity", "major", "cadence", "weekly", "hour", "9", "weekday", "friday", "timezone", "Mars/Base").is(http.StatusUnprocessableEntity, "Mars/Base", "<option selected>weekly")
		if !strings.Contains(wrong.body, `href="#timezone"`) {
			t.Error("the field is not named")
		}
		w.send(at, at, "components", "imap7", "kinds", "incident", "severity", "major", "cadence", "weekly", "hour", "9", "weekday", "friday", "critical", "1", "all_quiet", "1", "mine", "1", "timezone", "Europe/Oslo", "language", "de").leads("/console/subscribers/s1?done=changed")
		w.get("/console/subscribers/s1").is(http.StatusOK, "weekly, friday, at 9 o'clock, critical ones at once, also “all quiet”", "imap7, only what touches them", "major", "de, Europe/Oslo")
		w.get(at).is(http.StatusOK, `value="imap7" checked`, `value="incident" checked`, "<option selected>friday", "<option selected>9", `name="critical" value="1" checked`, `name="mine" value="1" checked`)
		s, err := b.store.Subscriber(t.Context(), 1)
		b.must(err)
		if s.State != subscribers.Active || s.Hour.Or(0) != 9 || len(s.Filter.Kinds) != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatIsTypedIsShownInAFrameAndKeptNowhere(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RolePoster))
	const at = "/console/incidents/new"
	shown := w.send(at, at, "kind", "incident", "title", "Mail is slow", "severity", "minor", "body", "Since 16:11 mail is late.", "do", "look").is(http.StatusOK, "Subject:", "Mail is slow", "has no time zone", `<iframe sandbox title="The mail"`)
	if policy := shown.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'self'") || strings.Contains(shown.body, "<nav") {
		t.Errorf("the frame's policy: %s", policy)
	}
	w.send(at, at, "kind", "incident", "title", "", "severity", "minor", "do", "look").is(http.StatusOK, `role="status"`, "title: ")
	to := "/console/incidents/" + b.announce("Mail is late") + "/update"
	w.send(to, to, "status", "identified", "severity", "minor", "body", "We know why.", "do", "look").is(http.StatusOK, "Subject:", "We know why.")
	if all := b.incidents(); len(all) != 1 || len(all[0].Updates) != 1 {
		t.Errorf("%+v", all)
	}
}

func TestTheQueueIsPausedByPartAndGoesOn(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	pause := func(pairs ...string) page { return w.send("/console/queue", "/console/queue/pause", pairs...) }
	pause("part", "domain", "domain", " Example.ORG ").leads("/console/queue?done=paused")
	pause("part", "domain").is(http.StatusUnprocessableEntity)
	pause("part", "").is(http.StatusUnprocessableEntity, "choose which part")
	pause("part", "all", "domain", "example.net").is(http.StatusUnprocessableEntity, "choose “a domain of recipients”", `href="/console/queue"`)
	pause("part", "planet earth").is(http.StatusUnprocessableEntity)
	pause("part", "relay relay.example.com:587").leads("/console/queue?done=paused")
	w.get("/console/queue").is(http.StatusOK, "domain example.org", "relay relay.example.com:587", "staff:ann", "421 later")
	w.get("/console").is(http.StatusOK, "Paused: domain example.org")
	w.send("/console/queue", "/console/queue/resume", "part", "domain example.org").leads("/console/queue?done=resumed")
	w.send("/console/queue", "/console/queue/resume", "part", "domain example.org").is(http.StatusNotFound, "no pause")
	pause("part", "all").leads("/console/queue?done=paused")
	w.get("/console/queue").is(http.StatusOK, "Everything")
}

func TestThePreviewNamesItsOwnFieldWhereATextSpeaksOfATimeBefore(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RolePoster))
	const at = "/console/incidents/new"
	shown := w.send(at, at, "kind", "incident", "title", "Mail is slow", "severity", "minor", "body", `Since {{at "-20m"}} mail is late.`, "do", "preview").is(http.StatusOK, "give its time in “When it happened”")
	if strings.Contains(shown.body, "--at") {
		t.Error("the page speaks of a flag")
	}
}

func TestAnUpdateIsNotPostedOverWhatSomebodyElsePostedMeanwhile(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	ann, bob := b.enter(b.hire("ann", notifier.RolePoster)), b.enter(b.hire("bob", notifier.RolePoster))
	at := "/console/incidents/" + b.announce("Mail is slow") + "/update"
	say := func(w *browser, from page, do, status, body string) page {
		once, seen := marks(from)
		return w.send(at, at, "status", status, "severity", "minor", "body", body, "do", do, "once", once, "seen", seen, "known", known(from))
	}
	seenByAnn := say(ann, ann.get(at), "preview", "monitoring", "It gets better.").is(http.StatusOK)
	if strings.Contains(seenByAnn.body, "meanwhile") {
		t.Error("nothing was posted meanwhile")
	}
	opened := ann.get(at)
	seenByBob := say(bob, bob.get(at), "preview", "resolved", "All is well.").is(http.StatusOK)
	say(bob, seenByBob, "post", "resolved", "All is well.").is(http.StatusSeeOther)
	late := say(ann, seenByAnn, "post", "monitoring", "It gets better.").is(http.StatusOK, "“resolved” was posted meanwhile", "All is well.", "As readers will get it")
	if i := b.incidents()[0]; i.Status != notifier.Resolved || len(i.Updates) != 2 {
		t.Errorf("%+v", i)
	}
	say(ann, opened, "preview", "monitoring", "It gets better.").is(http.StatusOK, "“resolved” was posted meanwhile")
	say(ann, late, "post", "monitoring", "It gets better.").is(http.StatusSeeOther)
	if i := b.incidents()[0]; i.Status != notifier.Monitoring {
		t.Errorf("%+v", i)
	}
}
