package notifier

import (
	"testing"
	"time"
)

func TestAReminderIsDueOnceAndNeverTooLate(t *testing.T) {
	start := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	before := []time.Duration{24 * time.Hour, time.Hour}
	ago := func(d time.Duration) time.Time { return start.Add(-d) }
	for _, c := range []struct {
		name          string
		planned, told time.Time
		now, due      time.Time // due zero: nothing is
	}{
		{"long before", ago(72 * time.Hour), time.Time{}, ago(25 * time.Hour), time.Time{}},
		{"a day before", ago(72 * time.Hour), time.Time{}, ago(24 * time.Hour), ago(24 * time.Hour)},
		{"told of that", ago(72 * time.Hour), ago(24 * time.Hour), ago(5 * time.Hour), time.Time{}},
		{"an hour before", ago(72 * time.Hour), ago(24 * time.Hour), ago(time.Hour), ago(time.Hour)},
		{"a minute late", ago(72 * time.Hour), ago(24 * time.Hour), ago(59 * time.Minute), ago(time.Hour)},
		{"told of both", ago(72 * time.Hour), ago(time.Hour), ago(time.Minute), time.Time{}},
		{"down over both", ago(72 * time.Hour), time.Time{}, ago(30 * time.Minute), ago(time.Hour)},
		{"down until it began", ago(72 * time.Hour), time.Time{}, start, time.Time{}},
		{"announced in the evening before", ago(10 * time.Hour), time.Time{}, ago(9 * time.Hour), time.Time{}},
		{"and an hour before", ago(10 * time.Hour), time.Time{}, ago(time.Hour), ago(time.Hour)},
		{"announced at the last moment", ago(30 * time.Minute), time.Time{}, ago(20 * time.Minute), time.Time{}},
	} {
		due, ok := ReminderPlan{StartsAt: start, PlannedAt: c.planned, RemindedAt: c.told}.Due(before, c.now)
		if ok == c.due.IsZero() || !due.Equal(c.due) {
			t.Errorf("%s: %s, %v; want %s", c.name, due, ok, c.due)
		}
	}
	if _, ok := (ReminderPlan{StartsAt: start, PlannedAt: ago(72 * time.Hour)}).Due(nil, ago(time.Hour)); ok {
		t.Error("due, though reminders are off")
	}
}

func TestOnlyMaintenanceThatIsStillToBeginIsRemindedOf(t *testing.T) {
	now := holdDesk().Now
	good := Incident{Kind: KindMaintenance, State: Published, Status: Scheduled, StartsAt: now.Add(time.Hour)}
	for name, change := range map[string]func(*Incident){
		"": func(*Incident) {}, "under way": func(i *Incident) { i.Status = InProgress }, "completed": func(i *Incident) { i.Status = Completed },
		"retracted": func(i *Incident) { i.State = Retracted }, "a draft": func(i *Incident) { i.State = Draft },
		"an incident": func(i *Incident) { i.Kind = KindIncident }, "begun": func(i *Incident) { i.StartsAt = now },
	} {
		i := good
		change(&i)
		if i.Remindable(now) != (name == "") {
			t.Errorf("%q", name)
		}
	}
	good.Updates = []Update{{ID: "u1"}, {ID: "u2"}}
	e := good.Reminder(holdDesk())
	if e.Type != MaintenanceReminder || e.Lane != LaneRoutine || e.UpdateID != "u2" || !e.ExpiresAt.Equal(good.StartsAt) || !e.HeldUntil.IsZero() {
		t.Errorf("%+v", e)
	}
}
