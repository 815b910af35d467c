package api_test

import (
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"allclear/notifier/api"
)

func TestTheDocumentNamesEveryRouteAndNoOther(t *testing.T) {
	b := newBench(t)
	if described, there := b.spec.operations(), api.Routes(); !slices.Equal(described, there) {
		t.Errorf("described:\n%s\nthere:\n%s", strings.Join(described, "\n"), strings.Join(there, "\n"))
	}
}

func TestTheDocumentHoldsTogether(t *testing.T) {
	b := newBench(t)
	if v := b.spec.doc["openapi"]; v != "3.1.0" {
		t.Errorf("openapi %v", v)
	}
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok && b.spec.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
				t.Errorf("%s names %s, which is not there", path, ref)
			}
			for k, x := range v {
				walk(x, path+"/"+k)
			}
		case []any:
			for _, x := range v {
				walk(x, path)
			}
		}
	}
	walk(b.spec.doc, "")
	for _, op := range b.spec.operations() {
		method, path, _ := strings.Cut(op, " ")
		found := b.spec.at("paths", path, strings.ToLower(method))
		if found["summary"] == nil || found["tags"] == nil || found["x-role"] == nil {
			t.Errorf("%s has no summary, tag or role", op)
		}
		for _, name := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(path, -1) {
			named := false
			params, _ := b.spec.at("paths", path)["parameters"].([]any)
			for _, p := range params {
				named = named || p.(map[string]any)["name"] == name[1]
			}
			if !named {
				t.Errorf("%s does not describe {%s}", path, name[1])
			}
		}
	}
}

func TestTheDocsAreReadableWithoutAToken(t *testing.T) {
	b := newBench(t)
	page := b.raw(http.MethodGet, "/api/docs", "", nil).is(http.StatusOK)
	text := string(page.body)
	for _, op := range b.spec.operations() {
		method, path, _ := strings.Cut(op, " ")
		if !strings.Contains(text, method+" /api/v1"+path) {
			t.Errorf("the page does not show %s", op)
		}
	}
	for _, anchor := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, `id="`+anchor[1]+`"`) {
			t.Errorf("the page leads to #%s, which is not there", anchor[1])
		}
	}
	if strings.Contains(text, "ZgotmplZ") || regexp.MustCompile(`(src|href)="(https?:)?//`).MatchString(text) || strings.Contains(text, "<script") {
		t.Error("the page loads something from elsewhere, runs something or was filtered")
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
}

func TestEveryProblemLeadsToItsExplanation(t *testing.T) {
	b := newBench(t)
	page := string(b.raw(http.MethodGet, "/api/docs", "", nil).body)
	for _, p := range []answer{
		b.raw(http.MethodGet, "/api/v1/queue", "", nil), b.raw(http.MethodGet, "/api/v1/nosuch", "", nil),
		b.as("admin", http.MethodPut, "/queue", ""), b.as("admin", http.MethodPost, "/incidents", "{"),
		b.as("admin", http.MethodPost, "/incidents", "{}"), b.as("viewer", http.MethodPost, "/incidents", "{}"),
	} {
		_, anchor, _ := strings.Cut(p.text("type"), "#")
		if anchor == "" || !strings.Contains(page, `id="`+anchor+`"`) {
			t.Errorf("%s is not explained", p.body)
		}
	}
}

func TestTheDocsTellHowToVerifyAWebhookWithTheProgramsOfTheGuide(t *testing.T) {
	b := newBench(t)
	page := html.UnescapeString(string(b.raw(http.MethodGet, "/api/docs", "", nil).body))
	for _, want := range []string{`<h2 id="webhooks">`, "webhook-id", "webhook-timestamp", "webhook-signature", "HMAC-SHA256", "whsec_", "5 minutes"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "webhooks.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```(?:go|python)\n(.*?)```").FindAllSubmatch(guide, -1)
	for _, p := range programs { // which are tested against what is posted
		if !strings.Contains(page, string(p[1])) {
			t.Errorf("the page has another program than\n%s", p[1])
		}
	}
	if len(programs) != 2 {
		t.Errorf("%d programs in the guide", len(programs))
	}
}
