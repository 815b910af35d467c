package api_test

import (
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

// ownBench is a bench where mail to own.example depends on imap7.
func ownBench(t *testing.T) *bench {
	b := newBench(t)
	b.component("imap7")
	if err := b.store.SetOwnDomains(t.Context(), []subscribers.OwnDomain{{Domain: "own.example", Component: "imap7"}}); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestASubscriberIsAddedWithItsSecondAddressOrNotAtAll(t *testing.T) {
	b := ownBench(t)
	for body, status := range map[string]int{
		`{"address":"bob@own.example","second":{"address":"bob@own.example"}}`:                                       422,
		`{"address":"bob@own.example","second":{"address":"bob@elsewhere.example","state":"paused"}}`:                422,
		`{"address":"bob@own.example","second":{"address":"nonsense"}}`:                                              422,
		`{"address":"bob@elsewhere.example","second":{"address":"bob@other.example"}}`:                               422,
		`{"address":"bob@own.example","second":{"channel":"email","address":"bob@e.example","secret":"whsec_eA=="}}`: 422,
	} {
		b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", body).is(status)
	}
	if n := len(b.as(notifier.RoleSender, http.MethodGet, "/subscribers", "").is(http.StatusOK).field("items").([]any)); n != 0 {
		t.Errorf("%d were added", n)
	}
	// Both are asked, and the second is of use once both agreed.
	got := b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"ann@own.example","second":{"channel":"email","address":"ann@elsewhere.example"}}`).is(http.StatusCreated)
	if got.field("state") != "pending" || got.field("second.state") != "pending" {
		t.Errorf("%v, %v", got.field("state"), got.field("second.state"))
	}
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"cec@own.example","second":{"address":"+4791234567","state":"active"}}`).problem(403, "", "")
	got = b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"cec@own.example","state":"active","second":{"address":"+4791234567","state":"active"}}`).is(http.StatusCreated)
	if got.field("second.unused") != nil || got.field("second.channel") != "sms" || got.field("second.state") != "active" || strings.Contains(string(got.body), "whsec_") {
		t.Errorf("%v", got.field("second"))
	}
	// Without a gateway a telephone is of no use.
	if _, err := b.store.SetDoor(t.Context(), notifier.SMS, false); err != nil {
		t.Fatal(err)
	}
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"dan@own.example","state":"active","second":{"address":"+4791234568","state":"active"}}`).problem(422, "second", "gateway")
	if got = b.as(notifier.RoleSender, http.MethodGet, "/subscribers/"+got.text("id"), "").is(http.StatusOK); got.field("second.state") != "active" || got.field("second.unused") != "no_gateway" {
		t.Errorf("%v", got.field("second"))
	}
}

func TestWhoMakesAnEndpointASecondAddressIsShownItsSecretOnce(t *testing.T) {
	b := ownBench(t)
	first := "/subscribers/" + b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@own.example","state":"active"}`).is(http.StatusCreated).text("id")
	const hook = `{"second":{"channel":"webhook","address":"https://hooks.example.com/x","state":"active"}}`
	if got, _ := b.as(notifier.RoleAdmin, http.MethodPatch, first, hook).is(http.StatusOK).field("second.secret").(string); !strings.HasPrefix(got, "whsec_") {
		t.Errorf("the secret is %q", got)
	}
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		body := ""
		if method == http.MethodPatch {
			body = hook
		}
		if got := b.as(notifier.RoleAdmin, method, first, body).is(http.StatusOK); strings.Contains(string(got.body), "whsec_") {
			t.Errorf("%s shows it again: %s", method, got.body)
		}
	}
}

func TestStaffSetASecondAddressWhereMailIsOurs(t *testing.T) {
	b := ownBench(t)
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

func TestASecondAddressThatLeftComesBackByItsOwnersWordOnly(t *testing.T) {
	b := ownBench(t)
	first := "/subscribers/" + b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@own.example","state":"active"}`).is(http.StatusCreated).text("id")
	bob := "/subscribers/" + b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"bob@elsewhere.example","state":"active"}`).is(http.StatusCreated).text("id")
	b.as(notifier.RoleAdmin, http.MethodDelete, bob, "").is(http.StatusNoContent)
	const active = `"second":{"address":"bob@elsewhere.example","state":"active"`
	b.as(notifier.RoleAdmin, http.MethodPatch, first, `{`+active+`}}`).problem(409, "", "second.again")
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"cec@own.example","state":"active","again":true,`+active+`}}`).problem(409, "", "left on")
	if v := b.as(notifier.RoleAdmin, http.MethodGet, bob, "").is(http.StatusOK).field("state"); v != "unsubscribed" {
		t.Errorf("it is %v", v)
	}
	if v := b.as(notifier.RoleSender, http.MethodPatch, first, `{"second":{"address":"bob@elsewhere.example"}}`).is(http.StatusOK).field("second.state"); v != "pending" {
		t.Errorf("who is asked is %v", v)
	}
	if v := b.as(notifier.RoleAdmin, http.MethodPatch, first, `{`+active+`,"again":true}}`).is(http.StatusOK).field("second.state"); v != "active" {
		t.Errorf("it is %v", v)
	}
	// What ended with its first is left for good by whoever ends it, too.
	for _, end := range []struct{ method, body string }{{http.MethodDelete, ""}, {http.MethodPatch, `{"state":"unsubscribed"}`}} {
		n, err := subscribers.ParseNumber(strings.TrimPrefix(bob, "/subscribers/"))
		if err != nil {
			t.Fatal(err)
		}
		b.as(notifier.RoleAdmin, http.MethodPatch, first, `{`+active+`,"again":true}}`).is(http.StatusOK)
		b.as(notifier.RoleAdmin, http.MethodDelete, first, "").is(http.StatusNoContent)
		if who, err := b.store.Subscriber(t.Context(), n); err != nil || !who.EndedWithFirst() {
			t.Errorf("%+v, %v", who, err)
		}
		b.as(notifier.RoleAdmin, end.method, bob, end.body)
		if who, err := b.store.Subscriber(t.Context(), n); err != nil || who.EndedWithFirst() {
			t.Errorf("%s: %+v, %v", end.method, who, err)
		}
		b.as(notifier.RoleAdmin, http.MethodPatch, first, `{"state":"active","again":true}`).is(http.StatusOK)
	}
}
