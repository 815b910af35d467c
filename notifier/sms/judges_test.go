package sms

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"allclear/notifier"
)

// node runs a script with the packages that .ci/prepare brings, and reads its answer.
func node(t *testing.T, script string, in, out any) {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil {
		lacking(t, "node is missing: run .ci/prepare")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		modules := filepath.Join(dir, ".ci", "npm", "node_modules")
		if _, err := os.Stat(filepath.Join(modules, "twilio")); err == nil {
			text, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "-e", script) // it ends by itself
			cmd.Stdin, cmd.Env = bytes.NewReader(text), append(os.Environ(), "NODE_PATH="+modules)
			said, err := cmd.Output()
			if err != nil {
				t.Fatalf("node: %v", err)
			}
			if err := json.Unmarshal(said, out); err != nil {
				t.Fatalf("node said %q: %v", said, err)
			}
			return
		}
		up := filepath.Dir(dir)
		if up == dir {
			lacking(t, "the npm packages are missing: run .ci/prepare")
		}
		dir = up
	}
}

// pieces are what the texts are put together from: plain words, characters of
// the extension, letters beyond the alphabet, emoji of every sort.
func pieces() []string {
	return strings.Fields("a Z 7 . , é è ø Å Δ Ω € { } [ ] ~ | ^ \\ " +
		"ж 日 ñ ç Ç “ ” – … 🚀 😀 👍🏽 👩‍👩‍👧‍👦 🇳🇴 ❤️ 1️⃣ 🏳️‍🌈 é ש ع 한 𝒳 🏴󠁧󠁢󠁥󠁮󠁧󠁿")
}

func TestSegmentsAreCountedAsTwiliosCalculatorCountsThem(t *testing.T) {
	dice := rand.New(rand.NewPCG(7, 3975)) // the same every time
	all := pieces()
	var texts []string
	for i := range 2000 {
		var b strings.Builder
		some := all[:15] // of the alphabet
		if i%2 == 1 {
			some = all
		}
		// Around the ends of the first three parts, where it matters.
		around := []int{1, 60, 66, 70, 130, 150, 158, 200, 300, 304, 455}[i%11]
		for n := around + dice.IntN(14); b.Len() < n; {
			if dice.IntN(12) > 0 {
				b.WriteByte("abcdefgh ijkl"[dice.IntN(13)])
			} else {
				b.WriteString(some[dice.IntN(len(some))])
			}
		}
		texts = append(texts, b.String())
	}
	var said []struct {
		Encoding string
		Segments int
	}
	node(t, `
const { SegmentedMessage } = require("sms-segments-calculator");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map(t => { const m = new SegmentedMessage(t); return { Encoding: m.getEncodingName(), Segments: m.segmentsCount }; })));`, texts, &said)
	if len(said) != len(texts) {
		t.Fatalf("%d answers", len(said))
	}
	encodings := map[string]notifier.TextEncoding{"GSM-7": notifier.GSM7, "UCS-2": notifier.UCS2}
	bad, several := 0, 0
	for i, text := range texts {
		got := notifier.MeasureText(text)
		if got.Segments > 1 {
			several++
		}
		if got.Encoding != encodings[said[i].Encoding] || got.Segments != said[i].Segments {
			if bad++; bad < 5 {
				t.Errorf("%q: %+v, the calculator says %+v", text, got, said[i])
			}
		}
	}
	if bad > 0 || several < 500 {
		t.Errorf("%d of %d differ; %d have several parts", bad, len(texts), several)
	}
}

func TestTwilioAndWeSignACallAlike(t *testing.T) {
	type call struct {
		Token, URL string
		Form       map[string]any
		Signature  string
	}
	var calls []call
	for _, form := range []url.Values{
		{"From": {"+4790000001"}, "Body": {"STOP"}, "MessageSid": {"SM1"}},
		{"Body": {"Grüße & mehr = 100 % 🚀"}, "From": {"+4790000001"}, "Empty": {""}},
		{},
	} {
		plain := map[string]any{}
		for k, v := range form {
			plain[k] = v[0]
		}
		for _, address := range []string{"https://status.example.com/intake/sms/twilio", "https://status.example.com/intake/sms/twilio?delivery=3-7&sig=ab"} {
			calls = append(calls, call{"a token", address, plain, twilioSignature("a token", address, form)})
		}
	}
	var said []struct {
		Valid, Changed bool
		Signature      string
	}
	node(t, `
const twilio = require("twilio");
const { getExpectedTwilioSignature } = require("twilio/lib/webhooks/webhooks");
const calls = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(calls.map(c => ({
  Valid: twilio.validateRequest(c.Token, c.Signature, c.URL, c.Form),
  Changed: twilio.validateRequest(c.Token, c.Signature, c.URL, { ...c.Form, Body: "START" }),
  Signature: getExpectedTwilioSignature(c.Token, c.URL, c.Form),
}))));`, calls, &said)
	for i, c := range calls {
		if !said[i].Valid || said[i].Changed || said[i].Signature != c.Signature {
			t.Errorf("%s %v: %+v; ours is %s", c.URL, c.Form, said[i], c.Signature)
		}
	}
}
