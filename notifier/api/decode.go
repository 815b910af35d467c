package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
	"allclear/subscribers"
)

// decode reads the body into the struct that into points at, strictly: one
// object, only known fields, spelt exactly, in valid UTF-8. No body at all
// counts as {} where optional is set. It returns the top-level fields that
// were sent as null: for a PATCH that means "take it away".
func (q *request) decode(into any, optional bool) (nulls []string, err error) {
	if len(bytes.TrimSpace(q.body)) == 0 {
		if optional {
			return nil, nil
		}
		return nil, &unreadable{message: "the body is empty; send a JSON object"}
	}
	if i := invalidUTF8(q.body); i >= 0 {
		return nil, malformed(q.body, int64(i), "is not valid UTF-8")
	}
	var tree any
	if err := json.Unmarshal(q.body, &tree); err != nil {
		return nil, explain(q.body, err)
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, &unreadable{message: "the body must be a JSON object", line: 1}
	}
	if err := known(object, reflect.TypeOf(into).Elem(), ""); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(q.body, into); err != nil {
		return nil, explain(q.body, err)
	}
	for name, v := range object {
		if v == nil {
			nulls = append(nulls, name)
		}
	}
	return nulls, nil
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// known holds every field of v against the struct it is for, and every text
// against what a database can keep.
func known(v any, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return nil // the wrong type; decoding says so
		}
		names, types := fields(t)
		for _, key := range slices.Sorted(mapKeys(v)) {
			i := slices.Index(names, key)
			if i < 0 {
				return notifier.Invalidf(path+notifier.Clip(key), "is not a known field; known are %s", strings.Join(names, ", "))
			}
			if err := known(v[key], types[i], path+key+"."); err != nil {
				return err
			}
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, item := range v {
			if err := known(item, t.Elem(), strings.TrimSuffix(path, ".")+"["+strconv.Itoa(i)+"]."); err != nil {
				return err
			}
		}
	case string:
		if strings.ContainsAny(v, "\x00\ufffd") {
			return notifier.Invalidf(strings.TrimSuffix(path, "."), "holds a NUL or broken UTF-8")
		}
	}
	return nil
}

func mapKeys(m map[string]any) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func fields(t reflect.Type) (names []string, types []reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names, types = append(names, name), append(types, f.Type)
	}
	return names, types
}

// explain turns encoding/json's errors into one for the person.
func explain(body []byte, err error) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return malformed(body, syntax.Offset-1, strings.TrimPrefix(syntax.Error(), "json: "))
	case errors.As(err, &wrong):
		return notifier.Invalidf(wrong.Field, "is a %s where %s is expected", wrong.Value, jsonName(wrong.Type))
	}
	return &unreadable{message: "the body is not valid JSON"}
}

func malformed(body []byte, offset int64, why string) error {
	offset = max(0, min(offset, int64(len(body))))
	line := 1 + bytes.Count(body[:offset], []byte("\n"))
	return &unreadable{
		message: fmt.Sprintf("the body is not valid JSON at line %d (byte %d): %s", line, offset, notifier.Clip(why)),
		line:    line, offset: offset,
	}
}

func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a number"
}

// instant reads a time (RFC 3339); empty is the zero time.
func instant(field, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1971 || t.Year() > 9990 {
		return time.Time{}, notifier.Invalidf(field, "%q is no time; write it as 2026-11-23T16:11:00Z", notifier.Clip(s))
	}
	return t.UTC(), nil
}

// query reads the parameters of a GET, of which only the named ones (and cursor and limit) are known.
func query(values url.Values, names ...string) (cursor string, limit int, err error) {
	for name, given := range values {
		if !slices.Contains(names, name) && name != "cursor" && name != "limit" {
			return "", 0, notifier.Invalidf(notifier.Clip(name), "is not a known parameter; known are %s", strings.Join(append(names, "cursor", "limit"), ", "))
		}
		if len(given) > 1 {
			return "", 0, notifier.Invalidf(name, "stands there more than once")
		}
		if !utf8.ValidString(given[0]) || strings.ContainsRune(given[0], 0) {
			return "", 0, notifier.Invalidf(name, "holds a NUL or broken UTF-8")
		}
	}
	limit = 50
	if s := values.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > 200 {
			return "", 0, notifier.Invalidf("limit", "%q is not a number from 1 to 200", notifier.Clip(s))
		}
	}
	return values.Get("cursor"), limit, nil
}

// flag reads a parameter that is true or false.
func flag(values url.Values, name string) (bool, error) {
	switch values.Get(name) {
	case "":
		return false, nil
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, notifier.Invalidf(name, "is not true or false")
}

// oneOf checks a parameter that has a few values; empty is none of them.
func oneOf[T ~string](values url.Values, name string, allowed []T) (T, error) {
	v := T(values.Get(name))
	if v == "" || slices.Contains(allowed, v) {
		return v, nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return "", notifier.Invalidf(name, "%q is not one of %s", notifier.Clip(string(v)), strings.Join(names, ", "))
}

// address checks an address of a channel, or of the one it looks like where none is named.
func address(channel notifier.Channel, s string) (notifier.Channel, string, error) {
	if channel == "" {
		return subscribers.ParseAny(s)
	}
	kept, err := subscribers.ParseOn(channel, s)
	return channel, kept, err
}
