package main

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"allclear/notifier/email/emailtest"
	"allclear/templates"
)

// The rooms do not know each other, and both tell what a webhook is posted.
func TestTheAPIsDocumentSaysOfWebhooksWhatTheirSchemaSays(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	s := boot(t, programOptions{settings: settingsFor(t, t.TempDir()+"/a.db", relay.URL("tls=off"))})
	_, text := get(t, s.URL()+"/api/openapi.json")
	var doc struct {
		Webhooks   map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Webhooks["event"] == nil {
		t.Error("no webhook is described")
	}
	var schema map[string]any
	if err := json.Unmarshal(templates.WebhookSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	parts, _ := schema["$defs"].(map[string]any)
	maps.DeleteFunc(schema, func(k string, _ any) bool { return k == "$defs" || k == "$schema" || k == "$id" || k == "title" })
	named := func(part string) string { return "Webhook" + strings.ToUpper(part[:1]) + part[1:] }
	for name, part := range parts {
		if said := doc.Components.Schemas[named(name)]; !reflect.DeepEqual(said, pointed(part, named)) {
			t.Errorf("%s differs: %v", name, said)
		}
	}
	if said := doc.Components.Schemas["WebhookBody"]; !reflect.DeepEqual(said, pointed(schema, named)) {
		t.Errorf("the body differs: %v", said)
	}
}

// pointed is a schema with its references as the API's document writes them.
func pointed(v any, named func(string) string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if ref, ok := x.(string); ok && k == "$ref" {
				out[k] = "#/components/schemas/" + named(strings.TrimPrefix(ref, "#/$defs/"))
			} else {
				out[k] = pointed(x, named)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = pointed(x, named)
		}
		return out
	}
	return v
}
