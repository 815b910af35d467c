package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"allclear/notifier"
)

// verify checks a post by the library that is not ours.
func verify(s notifier.Secret, p heardPost) error {
	wh, err := standardwebhooks.NewWebhook(s.Text())
	if err != nil {
		return err
	}
	return wh.VerifyIgnoringTimestamp(p.body, p.header)
}

func TestAPostIsSignedAsStandardWebhooksLaysDown(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL+"/hook?room=7")
	receipt, f, err := r.send(3)
	if err != nil {
		t.Fatal(err)
	}
	posts := s.heard()
	if len(posts) != 1 {
		t.Fatalf("%d posts", len(posts))
	}
	p := posts[0]
	if err := verify(secret(3), p); err != nil {
		t.Error(err)
	}
	if verify(secret(4), p) == nil {
		t.Error("another secret verifies it")
	}
	forged := p
	forged.body = bytes.Replace(p.body, []byte("created"), []byte("resolve"), 1)
	if verify(secret(3), forged) == nil {
		t.Error("a changed body is verified")
	}
	for name, want := range map[string]string{
		"Webhook-Id":        "7-3",
		"Webhook-Timestamp": strconv.FormatInt(r.clock.Now().Unix(), 10),
		"Content-Type":      "application/json",
		"User-Agent":        "allclear/1.2.3 (+https://status.example.com/)",
		"Accept-Encoding":   "",
		"Idempotency-Key":   "",
	} {
		if got := p.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if string(p.body) != sampleBody || p.path != "/hook?room=7" || p.proto != "HTTP/1.1" {
		t.Errorf("posted %q to %s by %s", p.body, p.path, p.proto)
	}
	if n := f.begun.Load(); n != 1 || len(f.taken) != 1 || f.taken[0].Status != 200 {
		t.Errorf("begun %d times, taken %+v", n, f.taken)
	}
	if receipt.Status != 200 || receipt.Reply != "200 OK" || receipt.Relay != strings.TrimPrefix(s.URL, "http://") {
		t.Errorf("receipt %+v", receipt)
	}
}

func TestTheHeadersOfTheSignatureAreSpelledAsInTheStandard(t *testing.T) {
	h := http.Header{}
	sign(h, []notifier.Secret{secret(1)}, "7-3", time.Unix(1700000000, 0), []byte("{}"))
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"webhook-id: 7-3\r\n", "webhook-timestamp: 1700000000\r\n", "webhook-signature: v1,"} {
		if !strings.Contains(b.String(), name) {
			t.Errorf("no %q in %q", name, b.String())
		}
	}
}

// The vector is the one of the specification's own reference libraries.
func TestTheSignatureOfTheReferenceVectorIsTheSame(t *testing.T) {
	s, err := notifier.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, []notifier.Secret{s}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h[headerSignature][0], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want { //nolint:staticcheck // written as it stands on the line
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhileASecretIsReplacedBothSign(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL, func(e *notifier.Endpoint) { e.Secrets = []notifier.Secret{secret(1), secret(2)} })
	if _, _, err := r.send(3); err != nil {
		t.Fatal(err)
	}
	p := s.heard()[0]
	for _, known := range []byte{1, 2} {
		if err := verify(secret(known), p); err != nil {
			t.Errorf("secret %d: %v", known, err)
		}
	}
	if n := len(strings.Fields(p.header.Get(headerSignature))); n != 2 {
		t.Errorf("%d signatures", n)
	}
}

func TestARetryHasTheSameIdAndATimestampOfItsOwn(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, answering(500, ""))
	r.endpoint(3, s.URL)
	r.fails(3)
	r.clock.Advance(5 * time.Minute)
	r.fails(3)
	posts := s.heard()
	if len(posts) != 2 {
		t.Fatalf("%d posts", len(posts))
	}
	a, b := posts[0].header, posts[1].header
	if a.Get(headerID) != b.Get(headerID) {
		t.Errorf("ids %s and %s", a.Get(headerID), b.Get(headerID))
	}
	if a.Get(headerTimestamp) == b.Get(headerTimestamp) || a.Get(headerSignature) == b.Get(headerSignature) {
		t.Error("the second try was not signed anew")
	}
	for _, p := range posts {
		if err := verify(secret(3), p); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingIsPostedUnsignedToWhoChecksSignatures(t *testing.T) {
	for _, format := range notifier.Formats {
		r := newRig(t)
		s := newSink(t, false, nil)
		r.endpoint(3, s.URL, func(e *notifier.Endpoint) { e.Secrets, e.Format = nil, format })
		_, _, err := r.send(3)
		if chat := !signed(format); chat != (err == nil) || chat != (len(s.heard()) == 1) {
			t.Errorf("%s: %v, %d posts", format, err, len(s.heard()))
		}
	}
}

// nodeModules looks for the independent verifiers, from the test upwards.
func nodeModules(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		modules := filepath.Join(dir, ".ci", "npm", "node_modules")
		if _, err := os.Stat(filepath.Join(modules, "standardwebhooks")); err == nil {
			if _, err := os.Stat(filepath.Join(modules, "svix")); err == nil {
				return modules
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			lacking(t, "the npm packages standardwebhooks and svix are missing: run .ci/prepare")
		}
		dir = up
	}
}

const verifier = `
const [posts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const { Webhook: A } = require(process.argv[2] + "/standardwebhooks");
const { Webhook: B } = require(process.argv[2] + "/svix");
Date.now = () => posts.now * 1000;
const said = [];
for (const p of posts.list) for (const [name, W] of [["standardwebhooks", A], ["svix", B]]) {
  try { new W(p.secret).verify(p.body, p.headers); said.push(name + " yes"); }
  catch (e) { said.push(name + " no: " + e.message); }
}
console.log(JSON.stringify(said));
`

// What is signed is verified, within the tolerance of the timestamp, by two
// programs of others; what is changed on the way is not.
func TestSignaturesAreVerifiedByTheLibrariesForNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		lacking(t, "node is missing: run .ci/prepare")
	}
	modules := nodeModules(t)
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL, func(e *notifier.Endpoint) { e.Secrets = []notifier.Secret{secret(1), secret(2)} })
	if _, _, err := r.send(3); err != nil {
		t.Fatal(err)
	}
	p := s.heard()[0]
	headers := map[string]string{}
	for _, name := range []string{headerID, headerTimestamp, headerSignature} {
		headers[name] = p.header.Get(name)
	}
	type post struct {
		Secret  string            `json:"secret"`
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	}
	input := []any{map[string]any{"now": r.clock.Now().Unix(), "list": []post{
		{secret(1).Text(), string(p.body), headers},
		{secret(2).Text(), string(p.body), headers},
		{secret(3).Text(), string(p.body), headers},
		{secret(1).Text(), string(p.body) + " ", headers},
	}}}
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "verify.cjs")
	if err := os.WriteFile(script, []byte(verifier), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, script, modules)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var said []string
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(said) != 8 {
		t.Fatalf("%q", said)
	}
	for i, s := range said {
		if yes := strings.HasSuffix(s, " yes"); yes != (i < 4) {
			t.Errorf("case %d: %s", i, s)
		}
	}
}
