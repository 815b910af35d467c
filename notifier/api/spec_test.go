package api_test

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// spec is the OpenAPI document as the tests hold the handlers to it.
type spec struct{ doc map[string]any }

func parseSpec(text []byte) (*spec, error) {
	s := &spec{}
	return s, json.Unmarshal(text, &s.doc)
}

func (s *spec) at(path ...string) map[string]any {
	v := s.doc
	for _, p := range path {
		v, _ = v[p].(map[string]any)
	}
	return v
}

// operations lists "METHOD /path" for everything that is described.
func (s *spec) operations() []string {
	var out []string
	for path, methods := range s.at("paths") {
		for m := range methods.(map[string]any) {
			if m != "parameters" {
				out = append(out, strings.ToUpper(m)+" "+path)
			}
		}
	}
	slices.Sort(out)
	return out
}

// operation finds what describes a request; a path of fixed words goes before one with names.
func (s *spec) operation(method, path string) (op map[string]any, template string) {
	for t := range s.at("paths") {
		pattern := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(t), `[^/]+`)
		if ok, _ := regexp.MatchString("^"+pattern+"$", path); ok && (op == nil || !strings.Contains(t, "{")) {
			if found := s.at("paths", t, strings.ToLower(method)); found != nil {
				op, template = found, t
			}
		}
	}
	return op, template
}

func (s *spec) follow(v map[string]any) map[string]any {
	if ref, ok := v["$ref"].(string); ok {
		return s.follow(s.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	return v
}

// check holds a body to the schema that an operation has for it. where is
// "requestBody" or a status.
func (s *spec) check(op map[string]any, where, media string, body []byte) error {
	var holder map[string]any
	if where == "requestBody" {
		holder, _ = op["requestBody"].(map[string]any)
		if holder == nil {
			return fmt.Errorf("no body is described")
		}
		if len(body) == 0 {
			if holder["required"] == true {
				return fmt.Errorf("a body is required")
			}
			return nil
		}
	} else {
		responses, _ := op["responses"].(map[string]any)
		found, ok := responses[where].(map[string]any)
		if !ok {
			return fmt.Errorf("no answer %s is described", where)
		}
		holder = s.follow(found)
	}
	content, _ := holder["content"].(map[string]any)
	if content == nil {
		if len(body) > 0 {
			return fmt.Errorf("%s: a body where none is described: %s", where, body)
		}
		return nil
	}
	media, _, _ = strings.Cut(media, ";")
	typed, ok := content[media].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: type %q is not described", where, media)
	}
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return s.valid(typed["schema"].(map[string]any), v, where)
}

// valid is as much of JSON Schema as the document uses; an unknown keyword fails.
func (s *spec) valid(schema map[string]any, v any, path string) error {
	schema = s.follow(schema)
	for keyword, want := range schema {
		bad := func(format string, args ...any) error { return fmt.Errorf(path+": "+format, args...) }
		list, isList := v.([]any)
		object, isObject := v.(map[string]any)
		text, isText := v.(string)
		number, isNumber := v.(float64)
		switch keyword {
		case "description", "default":
		case "type":
			if !typeIs(want, v) {
				return bad("%v is not of type %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				return bad("%v is not one of %v", v, want)
			}
		case "format":
			if want != "date-time" {
				return bad("format %v is not known", want)
			}
			if _, err := time.Parse(time.RFC3339Nano, text); isText && (err != nil || !strings.HasPrefix(path, "requestBody") && !strings.HasSuffix(text, "Z")) {
				return bad("%q is no time in UTC", text)
			}
		case "minLength":
			if isText && utf8.RuneCountInString(text) < int(want.(float64)) {
				return bad("%q is too short", text)
			}
		case "maxLength":
			if isText && utf8.RuneCountInString(text) > int(want.(float64)) {
				return bad("%q is too long", text)
			}
		case "minimum":
			if isNumber && number < want.(float64) {
				return bad("%v is too small", number)
			}
		case "maximum":
			if isNumber && number > want.(float64) {
				return bad("%v is too large", number)
			}
		case "maxItems":
			if isList && len(list) > int(want.(float64)) {
				return bad("%d items are too many", len(list))
			}
		case "items":
			for i, item := range list {
				if err := s.valid(want.(map[string]any), item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
					return err
				}
			}
		case "required":
			for _, name := range want.([]any) {
				if _, there := object[name.(string)]; isObject && !there {
					return bad("%v is missing", name)
				}
			}
		case "properties":
			for name, field := range object {
				known, there := want.(map[string]any)[name].(map[string]any)
				if !there {
					return bad("%s is not described", name)
				}
				if err := s.valid(known, field, path+"."+name); err != nil {
					return err
				}
			}
		case "additionalProperties":
			if want != false || schema["properties"] == nil {
				return bad("additionalProperties %v", want)
			}
		case "anyOf":
			var all []string
			for _, one := range want.([]any) {
				err := s.valid(one.(map[string]any), v, path)
				if err == nil {
					all = nil
					break
				}
				all = append(all, err.Error())
			}
			if len(all) > 0 {
				return bad("none of: %s", strings.Join(all, "; "))
			}
		default:
			return bad("the keyword %s is not known", keyword)
		}
	}
	return nil
}

func typeIs(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return typeIs(w, v) })
	}
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
