package templates

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// conforms holds a body against the schema, with what of JSON Schema that uses.
// Fields that the schema does not name are faults here: they are not documented.
func conforms(t *testing.T, body []byte) {
	t.Helper()
	var schema map[string]any
	var v any
	if err := json.Unmarshal(WebhookSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	for _, trouble := range checkSchema(schema, schema, v, "$") {
		t.Error(trouble)
	}
}

func checkSchema(root, schema map[string]any, v any, at string) []string {
	var out []string
	bad := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	for word := range schema {
		if !slices.Contains([]string{"$schema", "$id", "$defs", "title", "description", "type", "enum", "required", "properties", "items", "minimum", "maximum", "pattern", "anyOf", "$ref"}, word) {
			bad("the check does not know %q", word)
		}
	}
	if ref, ok := schema["$ref"].(string); ok {
		def, ok := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !ok {
			bad("no definition %q", ref)
		}
		out = append(out, checkSchema(root, def, v, at)...)
	}
	if ways, ok := schema["anyOf"].([]any); ok {
		var troubles []string
		for _, s := range ways {
			found := checkSchema(root, s.(map[string]any), v, at)
			if len(found) == 0 {
				troubles = nil
				break
			}
			troubles = append(troubles, found...)
		}
		out = append(out, troubles...)
	}
	if want, ok := schema["type"].(string); ok && !isType(want, v) {
		bad("%v is no %s", v, want)
		return out
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		bad("%v is none of %v", v, enum)
	}
	switch v := v.(type) {
	case string:
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			bad("%q is not as %s", v, p)
		}
	case float64:
		if least, ok := schema["minimum"].(float64); ok && v < least {
			bad("%v is less than %v", v, least)
		}
		if most, ok := schema["maximum"].(float64); ok && v > most {
			bad("%v is more than %v", v, most)
		}
	case []any:
		for n, item := range v {
			out = append(out, checkSchema(root, schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", at, n))...)
		}
	case map[string]any:
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				bad("lacks %v", name)
			}
		}
		properties, ok := schema["properties"].(map[string]any)
		for name, value := range v {
			s, known := properties[name].(map[string]any)
			switch {
			case known:
				out = append(out, checkSchema(root, s, value, at+"."+name)...)
			case ok:
				bad("%q is not in the schema", name)
			}
		}
	}
	return out
}

func isType(want string, v any) bool {
	switch v := v.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case string:
		return want == "string"
	case float64:
		return want == "number" || want == "integer" && v == math.Trunc(v)
	case []any:
		return want == "array"
	}
	return want == "object"
}

func TestTheSchemaRefusesWhatIsWrong(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(WebhookSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{}`, `[]`, `{"type":"incident.imagined","version":1,"timestamp":"2026-11-23T18:25:00Z","data":{}}`,
		`{"type":"endpoint.test","version":1,"timestamp":"yesterday","data":{"page":{"name":"","url":""},"incident":null,"update":null,"missed":[],"sequence":0,"omitted":{"missed":0,"components":0}}}`,
		`{"type":"endpoint.test","version":1,"timestamp":"2026-11-23T18:25:00Z","data":{"page":{"name":"","url":""},"incident":null,"update":null,"missed":null,"sequence":0,"omitted":{"missed":0,"components":0}}}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if len(checkSchema(schema, schema, v, "$")) == 0 {
			t.Errorf("%s conforms", body)
		}
	}
}

func TestTheGuideShowsABodyAsItIsAndNamesEveryField(t *testing.T) {
	guide, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(guide)
	if example == nil {
		t.Fatal("the guide has no example")
	}
	conforms(t, example[1])
	for _, m := range regexp.MustCompile(`(?m)"([a-z_]+)": \{`).FindAllStringSubmatch(string(WebhookSchema()), -1) {
		if name := m[1]; !strings.Contains(string(guide), name) && name != "properties" && name != "items" {
			t.Errorf("the guide says nothing of %q", name)
		}
	}
}
