package webhook

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
)

// What a receiver copies from docs/webhooks.md, with a main program around it
// that reads cases from its first argument and prints one yes or no a line.
var copied = map[string]struct{ file, before, after, run string }{
	"go": {"main.go", `package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	var cases []struct {
		Secret, Body string
		Headers      map[string]string
		Now          int64
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &cases); err != nil {
		panic(err)
	}
	for _, c := range cases {
		h := http.Header{}
		for k, v := range c.Headers {
			h.Set(k, v)
		}
		fmt.Println(map[bool]string{true: "yes", false: "no"}[verify(c.Secret, h, []byte(c.Body), time.Unix(c.Now, 0))])
	}
}
`, "", "go run main.go"},
	"js": {"main.mjs", "", `
for (const c of JSON.parse(process.argv[2])) console.log(verify(c.Secret, c.Headers, Buffer.from(c.Body), c.Now * 1000) ? "yes" : "no");
`, "node main.mjs"},
	"python": {"main.py", "", `
import json, sys
for c in json.loads(sys.argv[1]):
    print("yes" if verify(c["Secret"], c["Headers"], c["Body"].encode(), c["Now"]) else "no")
`, "python3 main.py"},
}

var block = regexp.MustCompile("(?s)```(go|js|python)\n(.*?)```")

func TestTheProgramsInTheGuideVerifyWhatIsPosted(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "webhooks.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL, func(e *notifier.Endpoint) { e.Secrets = []notifier.Secret{secret(1), secret(2)} })
	if _, _, err := r.send(3); err != nil {
		t.Fatal(err)
	}
	post := s.heard()[0]
	type one struct {
		Secret, Body string
		Headers      map[string]string
		Now          int64
	}
	now := r.clock.Now().Unix()
	like := func(change func(*one)) one {
		c := one{secret(1).Text(), string(post.body), map[string]string{}, now}
		for _, name := range []string{headerID, headerTimestamp, headerSignature} {
			c.Headers[name] = post.header[http.CanonicalHeaderKey(name)][0]
		}
		change(&c)
		return c
	}
	cases := []one{
		like(func(*one) {}),
		like(func(c *one) { c.Secret = secret(2).Text() }),
		like(func(c *one) { c.Now += 299 }),
		like(func(c *one) { c.Now -= 299 }),
		like(func(c *one) { c.Secret = secret(3).Text() }),
		like(func(c *one) { c.Body += " " }),
		like(func(c *one) { c.Headers[headerID] = "7-4" }),
		like(func(c *one) { c.Now += 301 }),
		like(func(c *one) { c.Now -= 301 }),
		like(func(c *one) { c.Headers[headerTimestamp] = "soon" }),
		like(func(c *one) { c.Headers[headerSignature] = "v1,AAAA v2,BBBB" }),
		like(func(c *one) {
			c.Headers[headerSignature] = strings.ReplaceAll(c.Headers[headerSignature], "v1,", "v1a,")
		}),
	}
	want := strings.Repeat("yes\n", 4) + strings.Repeat("no\n", len(cases)-4)
	in, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	found := block.FindAllSubmatch(guide, -1)
	if len(found) != len(copied) {
		t.Fatalf("%d programs in the guide", len(found))
	}
	for _, b := range found {
		t.Run(string(b[1]), func(t *testing.T) {
			c := copied[string(b[1])]
			words := strings.Fields(c.run)
			if _, err := exec.LookPath(words[0]); err != nil {
				lacking(t, words[0]+" is missing: run .ci/prepare")
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.before+string(b[2])+c.after), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(words[0], append(words[1:], string(in))...)
			cmd.Dir = dir
			out, err := cmd.Output()
			if err != nil || string(out) != want {
				t.Errorf("%v, says %q", err, out)
			}
		})
	}
}
