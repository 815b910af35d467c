package subscribers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// count asks a store how many subscribers it has.
func count(t *testing.T, s interface {
	Subscribers(ctx context.Context, q subscribers.Query) ([]subscribers.Subscriber, string, error)
}) int {
	t.Helper()
	all, next, err := s.Subscribers(t.Context(), subscribers.Query{Limit: 1000})
	if err != nil || next != "" {
		t.Fatalf("list subscribers: %v, more: %q", err, next)
	}
	return len(all)
}

func TestAFileComesInOnceHoweverOftenItIsImported(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open()
		var file strings.Builder
		file.WriteString("address,state\n")
		for i := range 730 { // more than a batch
			fmt.Fprintf(&file, "reader%d@example.com,active\n", i%700)
		}
		var lines []int
		o := subscribers.ImportOptions{Progress: func(line int) { lines = append(lines, line) }}
		got, err := subscribers.Import(t.Context(), s, strings.NewReader(file.String()), o)
		want := subscribers.ImportReport{Rows: 730, Added: 700, Active: 700, Unchanged: 30, Errors: []subscribers.RowError{}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("report %+v, %v", got, err)
		}
		if !reflect.DeepEqual(lines, []int{501, 731}) {
			t.Errorf("progress %v", lines)
		}
		got, err = subscribers.Import(t.Context(), s, strings.NewReader(file.String()), subscribers.ImportOptions{})
		if err != nil || got.Unchanged != 730 || count(t, s) != 700 {
			t.Errorf("the second time: %+v, %v", got, err)
		}
	})
}

func TestALinesStateCountsAndWhoHasNoneIsTakenAsSaid(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open()
		o := subscribers.ImportOptions{Active: true, Confirm: func(subscribers.Subscriber) *notifier.Event { t.Error("somebody is asked"); return nil }}
		got, err := subscribers.Import(t.Context(), s, strings.NewReader("email,attributes,status\na@example.com,{},enabled\nb@example.com,{},blocklisted\n"), o)
		if err != nil || got.Added != 2 || got.Active != 1 {
			t.Errorf("report %+v, %v", got, err)
		}
	})
}

func TestADryRunTellsWhatWouldBeAndWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open()
		const file = "address,components\nann@example.com,\nbob@example.com,nosuch\ncarl,\n"
		asked := 0
		o := subscribers.ImportOptions{DryRun: true, Confirm: func(subscribers.Subscriber) *notifier.Event { asked++; return nil }}
		got, err := subscribers.Import(t.Context(), s, strings.NewReader(file), o)
		if err != nil || got.Rows != 3 || got.Added != 1 || got.Wrong != 2 {
			t.Errorf("report %+v, %v", got, err)
		}
		if got.Errors[0].Line != 3 || !strings.HasPrefix(got.Errors[0].Field, "components") || got.Errors[1].Line != 4 || got.Errors[1].Field != "address" {
			t.Errorf("errors %+v", got.Errors)
		}
		if count(t, s) != 0 || asked != 0 {
			t.Errorf("%d were added, %d asked", count(t, s), asked)
		}
	})
}

func TestADryRunCountsAnAddressThatStandsInTheFileTwiceAsTheImportDoes(t *testing.T) {
	for _, overwrite := range []bool{false, true} {
		storetest.Each(t, func(t *testing.T, open storetest.Opener) {
			var file strings.Builder
			file.WriteString("address,state,components\n")
			for i := range 1300 { // more than two batches
				fmt.Fprintf(&file, "reader%d@example.com,%s,%s\n", i%650, []string{"active", "", "unsubscribed"}[i%3], map[bool]string{true: "nosuch"}[i%100 == 7])
			}
			file.WriteString("reader3@example.com,active,\nnew@example.com,,\nnew@example.com,,\nthere@example.com,unsubscribed,\nthere@example.com,active,\n")
			s := open()
			there := subscribers.Subscriber{Address: "there@example.com", State: subscribers.Active}
			if err := there.Validate(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.AddSubscriber(t.Context(), there, nil); err != nil {
				t.Fatal(err)
			}
			dry, err := subscribers.Import(t.Context(), s, strings.NewReader(file.String()), subscribers.ImportOptions{DryRun: true, Overwrite: overwrite})
			if err != nil {
				t.Fatal(err)
			}
			wet, err := subscribers.Import(t.Context(), s, strings.NewReader(file.String()), subscribers.ImportOptions{Overwrite: overwrite})
			if err != nil || !reflect.DeepEqual(dry, wet) {
				t.Errorf("overwriting %t: said %+v\nwas %+v, %v", overwrite, dry, wet, err)
			}
		})
	}
}

func TestWhoComesInAsOneWhoAgreedKeepsWhoSaidSoAndWhen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open()
		ctx := notifier.WithActor(t.Context(), notifier.Actor{Name: "local:kari"})
		all := subscribers.ImportOptions{Active: true}
		for _, c := range []struct {
			file  string
			o     subscribers.ImportOptions
			words string
		}{
			{"type,address,country,skip-confirm\nemail,a@example.com,,yes\nemail,waits@example.com,,no\n", subscribers.ImportOptions{}, "Imported by local:kari from a file of Statuspage's that says that this address agreed."},
			{"address,state\nb@example.com,paused\nleft@example.com,unsubscribed\n", subscribers.ImportOptions{}, "Imported by local:kari from a file of allclear's that says that this address agreed."},
			{"email,attributes,status\nc@example.com,{},enabled\n", all, "Imported by local:kari from a file of listmonk's; local:kari said that all in it agreed."},
			{"address\nc@example.com\n", all, ""}, // is there already: nothing new is known of it
		} {
			if _, err := subscribers.Import(ctx, s, strings.NewReader(c.file), c.o); err != nil {
				t.Fatal(err)
			}
			found, _, err := s.Subscribers(ctx, subscribers.Query{Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, who := range found {
				got, err := s.Evidence(ctx, who.Number)
				if who.State == subscribers.Pending || who.State == subscribers.Unsubscribed {
					if err != nil || len(got) != 0 {
						t.Errorf("%s did not agree to anything: %+v, %v", who.Address, got, err)
					}
					continue
				}
				if err != nil || len(got) != 1 || got[0].Step != subscribers.StepConfirmed || got[0].At.IsZero() || got[0].Network != "" {
					t.Errorf("%s: %+v, %v", who.Address, got, err)
				}
				if strings.Contains(c.file, who.Address) && c.words != "" && got[0].Words != c.words {
					t.Errorf("%s: %q", who.Address, got[0].Words)
				}
			}
		}
	})
}

func TestWhoComesInAsPendingIsAskedToConfirmOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open()
		var asked []string
		o := subscribers.ImportOptions{Confirm: func(who subscribers.Subscriber) *notifier.Event {
			asked = append(asked, who.Address)
			e := who.ConfirmEvent(notifier.Desk{Now: s.Now(), NewID: func() string { return "id-" + who.Number.String() }})
			return &e
		}}
		const file = "address,state\nann@example.com,\nbob@example.com,active\n"
		for range 2 {
			if _, err := subscribers.Import(t.Context(), s, strings.NewReader(file), o); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(asked, []string{"ann@example.com"}) {
			t.Errorf("asked %v", asked)
		}
		if story, err := s.Story(t.Context(), 1); err != nil || story.Event.Type != notifier.SubscriberConfirm {
			t.Errorf("event %+v, %v", story.Event, err)
		}
	})
}

func TestAFileThatBreaksOffSaysWhatStands(t *testing.T) {
	s := storetest.Open(t, "sqlite")()
	var head strings.Builder
	head.WriteString("address,state\n")
	for i := range 600 {
		fmt.Fprintf(&head, "reader%d@example.com,active\n", i)
	}
	cut := errors.New("connection lost")
	got, err := subscribers.Import(t.Context(), s, io.MultiReader(strings.NewReader(head.String()+"last@exam"), iotest.ErrReader(cut)), subscribers.ImportOptions{})
	if !errors.Is(err, cut) || got.Added != 500 || count(t, s) != 500 {
		t.Errorf("report %+v, %v; %d are there", got, err, count(t, s))
	}
}

func TestAnImportKeepsAThousandErrorsAndCountsTheRest(t *testing.T) {
	s := storetest.Open(t, "sqlite")()
	got, err := subscribers.Import(t.Context(), s, strings.NewReader("address\n"+strings.Repeat("nobody\n", 1500)), subscribers.ImportOptions{})
	if err != nil || got.Wrong != 1500 || len(got.Errors) != 1000 || got.Errors[0].Line != 2 {
		t.Errorf("%d wrong, %d kept, %v", got.Wrong, len(got.Errors), err)
	}
}

func TestOverwritingLeavesWhatTheFileHasNoColumnForAsItWas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open()
		bring := func(file string, changed int, errs ...subscribers.RowError) {
			t.Helper()
			got, err := subscribers.Import(t.Context(), s, strings.NewReader(file), subscribers.ImportOptions{Overwrite: true})
			if err != nil || got.Changed != changed || len(got.Errors) != len(errs) || len(errs) > 0 && got.Errors[0].Field != errs[0].Field {
				t.Fatalf("%q: %+v, %v", file, got, err)
			}
		}
		bring("address,severity,kinds,cadence,hour,weekday,critical,all_quiet,mine,timezone,language,state\nann@example.com,major,incident,weekly,7,friday,true,true,true,Europe/Oslo,de,active\n", 0)
		read := func() subscribers.Subscriber {
			t.Helper()
			found, _, err := s.Subscribers(t.Context(), subscribers.Query{Limit: 10})
			if err != nil || len(found) != 1 {
				t.Fatalf("%+v, %v", found, err)
			}
			return found[0]
		}
		want := read()
		bring("address,language\nann@example.com,fr\n", 1)
		want.Language = "fr"
		if got := read(); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		bring("address,severity,timezone\nann@example.com,,\n", 1) // what stands there is empty
		want.Filter.Severity, want.Timezone = 0, ""
		if got := read(); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
	})
}
