package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestThoseAreListedWhoWouldBeAskedByMailNextAndDroppedOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.asks(
			signUp("ann@one.example"),
			signUp("bob@two.example", solved),
			signUp("trap@three.example", func(x *subscribers.SignUp) { x.Trapped = true }),
			signUp("+4790000001", func(x *subscribers.SignUp) { x.Channel = notifier.SMS }),
			signUp("https://hooks.example/in", func(x *subscribers.SignUp) { x.Channel, x.Contact = notifier.Webhook, "eve@four.example" }),
		)
		b.pass(time.Second)
		due, err := b.DueSignUps(b.ctx, 10)
		b.must(err)
		var domains []string
		var seen []string
		for _, w := range due {
			if seen = append(seen, w.ID); w.Domain != "" { // of the trapped one
				domains = append(domains, w.Domain)
			}
		}
		if len(domains) != 3 || domains[0] != "two.example" {
			t.Fatalf("due are %v", domains)
		}
		if some, err := b.DueSignUps(b.ctx, 1); err != nil || len(some) != 1 || some[0] != due[0] {
			t.Errorf("the first one is %v, %v", some, err)
		}
		for want := 1; want >= 0; want-- {
			if n, err := b.DropSignUps(b.ctx, []string{due[0].ID}); err != nil || n != want {
				t.Errorf("dropped %d, %v; want %d", n, err, want)
			}
		}
		// Whoever asks behind the look is for the next step.
		b.asks(signUp("late@five.example"))
		b.pass(time.Second)
		did, err := b.AnswerSignUps(b.ctx, seen, subscribers.SignUpLimits(), b.asking, 10)
		if b.must(err); did.Fates[subscribers.SignUpAsked] != 3 {
			t.Errorf("of those who stayed: %+v", did)
		}
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Errorf("of who came late: %+v", did)
		}
	})
}
