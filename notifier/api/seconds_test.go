package api_test

import (
	"net/http"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestStaffSetASecondAddressWhereMailIsOurs(t *testing.T) {
	b := newBench(t)
	b.component("imap7")
	if err := b.store.SetOwnDomains(t.Context(), []subscribers.OwnDomain{{Domain: "own.example", Component: "imap7"}}); err != nil {
		t.Fatal(err)
	}
	first := "/subscribers/" + b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@own.example","state":"active"}`).is(http.StatusCreated).text("id")
	got := b.as(notifier.RoleSender, http.MethodPatch, first, `{"second":{"address":"ann@elsewhere.example"}}`).is(http.StatusOK)
	for path, want := range map[string]any{"second.channel": "email", "second.address": "ann@elsewhere.example", "second.state": "pending", "second_of": nil} {
		if v := got.field(path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	b.as(notifier.RoleSender, http.MethodPatch, first, `{"second":{"address":"ann@elsewhere.example","state":"active"}}`).problem(403, "", "")
	if v := b.as(notifier.RoleAdmin, http.MethodPatch, first, `{"second":{"address":"ann@elsewhere.example","state":"active"}}`).is(http.StatusOK).field("second.state"); v != "active" {
		t.Errorf("its state is %v", v)
	}
	if v := b.as(notifier.RoleSender, http.MethodGet, "/subscribers/s2", "").is(http.StatusOK).field("second_of"); v != "s1" {
		t.Errorf("it is the second of %v", v)
	}
	b.as(notifier.RoleSender, http.MethodPatch, "/subscribers/s2", `{"cadence":"daily"}`).problem(422, "second_of", "")
	got = b.as(notifier.RoleSender, http.MethodPatch, first, `{"second":{"address":"next@elsewhere.example"}}`).is(http.StatusOK)
	if used, next := got.field("second.address"), got.field("second_next.address"); used != "ann@elsewhere.example" || next != "next@elsewhere.example" {
		t.Errorf("in use is %v, and then %v", used, next)
	}
	b.as(notifier.RoleSender, http.MethodPatch, first, `{"second":{"address":"bob@own.example"}}`).problem(422, "second", "at the same time")
	if v := b.as(notifier.RoleSender, http.MethodPatch, first, `{"second":null}`).is(http.StatusOK).field("second"); v != nil {
		t.Errorf("it is still %v", v)
	}
}
