package store_test

import (
	"slices"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestErasingEmptiesRowsThatNameTheAddressAndNoLongerOne(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.subscribe(reader("ann@example.com", subscribers.Active))
		b.draft("n")
		hers := []string{"ann@example.com", "1;ANN@example.com;x", `"Ann" <ann@example.com>`, `{"to":"Ann \u003cann@example.com\u003e"}`, `{"to":"x\nann@example.com\n"}`,
			"write to ann@example.com.", "- ann@example.com -", "mailto:ann@example.com?x", "joann@example.com ann@example.com", "'ann@example.com'", "\tann@example.com\t"}
		others := []string{"joann@example.com", "1;jo.ann@example.com;", "jo+ann@example.com", "jo_ann@example.com", "jo-ann@example.com", "élann@example.com",
			"ann@example.company", "ann@example.com.au", "ann@example.com-x.org", "ann", "", "xxxxxxxxxxxxxxxxxxxxx.ann@example.com"}
		var all []notifier.Reject
		for i, text := range slices.Concat(hers, others) {
			all = append(all, notifier.Reject{Line: i, Reason: "why", Text: text})
		}
		b.reject("n", append(all, notifier.Reject{Line: 99, Reason: `"joann@example.com" is not one of them`, Text: "x"})...)
		b.must(b.EraseSubscriber(b.ctx, ann.Number))
		page, _, err := b.Rejects(b.ctx, "n", 0, 100)
		b.must(err)
		if len(page) != len(all)+1 {
			t.Fatalf("%d rows", len(page))
		}
		for i, r := range page {
			if was := i < len(hers); (r.Reason != "why" && i < len(all)) != was || i == len(all) && r.Text != "x" {
				t.Errorf("%+v", r)
			}
		}
	})
}
