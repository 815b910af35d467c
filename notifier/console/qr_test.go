package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
)

// The sums are of what qrencode 4.1.1 makes of the same text (-8 -l L), which
// chooses its own mask; zbar 0.23.92 read ours of every length and mask. The
// lengths are those that fill versions, and those with several blocks.
func TestQRCodesAreThoseOfAnIndependentEncoder(t *testing.T) {
	for length, want := range map[int]string{
		17:  "21de1d76d04bcbec7fa5e80cfb82e6b562f4fc76dc243cec8cdcdb23cb8f2c69",
		60:  "bc21d659bc64d2a2bb5428855e4bc632a2fd59330b05bdd14836ce14ad4b16bb",
		150: "9dd4e076f70db51312c2b2c72f2be1f34a17f80d167cc7b245371acbcdeec813",
		200: "2f34e6373e2155f042840b45dbec920768f56e078d3d28e76d70a4552a08a9e0",
		271: "e91ac0bf5790d422ede3eae55aac1ef28dadd9d9a346725fda6ec8c752195f18",
	} {
		same := 0
		for mask := range 8 {
			rows, err := console.QR(strings.Repeat("otpauth://totp/", 20)[:length], mask)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256([]byte(strings.Join(rows, "\n"))); hex.EncodeToString(sum[:]) == want {
				same++
			}
		}
		if same != 1 {
			t.Errorf("%d characters: %d of 8 masks give the same code", length, same)
		}
	}
	if _, err := console.QR(strings.Repeat("x", 272), 0); err == nil {
		t.Error("more than fits is taken")
	}
}

func TestTheKeyOfASecondFactorCanBeScanned(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	made := w.send("/console/staff", "/console/staff", "name", "kari", "role", "viewer")
	at := strings.TrimPrefix(regexp.MustCompile(`http://[^<]*/console/set-up/[A-Za-z0-9_-]{43}`).FindString(made.body), b.site.URL)
	b.browser().get(at).is(http.StatusOK, `<svg class="qr"`, `aria-label="The key as a picture for the authenticator&#39;s camera"`)
}
