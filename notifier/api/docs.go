package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// document is the interface as OpenAPI 3.1: written by hand, and held equal to
// the handlers by the tests.
//
//go:embed openapi.json
var document []byte

//go:embed docs.html
var docsPage string

//go:embed docs.css
var docsStyle string

// mountDocs serves the document and a page for people made from it. Both are
// open: they say nothing that is not in the source.
func mountDocs(mux *http.ServeMux) {
	page, err := renderDocs()
	if err != nil {
		panic(fmt.Errorf("render the embedded OpenAPI document: %w", err)) // a test renders it too
	}
	sum := sha256.Sum256([]byte(docsStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	serve := func(contentType string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Content-Security-Policy", policy)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "no-cache")
			write(w, contentType, http.StatusOK, body)
		}
	}
	mux.HandleFunc("GET /api/openapi.json", serve("application/json", document))
	mux.HandleFunc("GET /api/docs", serve("text/html; charset=utf-8", page))
}

// openAPI is what the page needs of the document.
type openAPI struct {
	Info  struct{ Title, Version, Description string }
	Tags  []struct{ Name string }
	Paths map[string]map[string]json.RawMessage

	Components struct {
		Parameters map[string]docParameter
		Responses  map[string]struct{ Description string }
		Schemas    map[string]docSchema
	}
}

type docParameter struct {
	Ref         string `json:"$ref"`
	Name        string
	In          string
	Description string
}

type docOperation struct {
	Summary     string
	Description string
	Tags        []string
	Role        string `json:"x-role"`
	Parameters  []docParameter
	RequestBody *struct {
		Content map[string]struct{ Schema docSchema }
	}
	Responses map[string]struct {
		Ref         string `json:"$ref"`
		Description string
		Content     map[string]struct{ Schema docSchema }
	}
}

type docSchema struct {
	Ref         string `json:"$ref"`
	Type        any
	Format      string
	Description string
	Enum        []any
	Default     any
	Required    []string
	Items       *docSchema
	AnyOf       []docSchema `json:"anyOf"`
	Properties  map[string]docSchema
}

// docCall is one method of one path, ready for the page.
type docCall struct {
	ID, Method, Path string
	Summary, Text    string
	Role             string
	Parameters       []docParameter
	Body, BodyType   string // name of the schema, or "" and the media type
	Status, Answer   string
	AnswerType       string
	Problems         []string
	Tag              string

	place string // sorts the calls
}

type docField struct{ Name, Type, Text string }

type docShape struct {
	Name, Text string
	Fields     []docField
}

func renderDocs() ([]byte, error) {
	var doc openAPI
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, err
	}
	calls, err := doc.calls()
	if err != nil {
		return nil, err
	}
	page, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{
		"Doc": doc, "About": strings.Split(doc.Info.Description, "\n\n"), "Calls": calls, "Shapes": doc.shapes(), "Style": template.CSS(docsStyle), //nolint:gosec // our own file
		"Problems": problemKinds(),
	})
	return out.Bytes(), err
}

func (doc *openAPI) calls() ([]docCall, error) {
	var calls []docCall
	order := []string{"get", "post", "put", "patch", "delete"}
	for path, methods := range doc.Paths {
		for i, method := range order {
			raw, ok := methods[method]
			if !ok {
				continue
			}
			var op docOperation
			if err := json.Unmarshal(raw, &op); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			c := docCall{
				ID: method + strings.NewReplacer("/", "-", "{", "", "}", "", ".", "-").Replace(path), Method: strings.ToUpper(method), Path: "/api/v1" + path,
				Summary: op.Summary, Text: op.Description, Role: op.Role, Tag: op.Tags[0],
			}
			tag := slices.IndexFunc(doc.Tags, func(t struct{ Name string }) bool { return t.Name == c.Tag })
			c.place = fmt.Sprintf("%02d %s %d", tag, path, i)
			for _, p := range op.Parameters {
				if p.Ref != "" {
					p = doc.Components.Parameters[refName(p.Ref)]
				}
				c.Parameters = append(c.Parameters, p)
			}
			if op.RequestBody != nil {
				types := slices.Sorted(maps.Keys(op.RequestBody.Content)) // the last one's shape is shown
				c.BodyType = strings.Join(types, ", ")
				c.Body = refName(op.RequestBody.Content[types[len(types)-1]].Schema.Ref)
			}
			for status, answer := range op.Responses {
				if answer.Ref != "" {
					c.Problems = append(c.Problems, status+" "+doc.Components.Responses[refName(answer.Ref)].Description)
					continue
				}
				c.Status = status
				for media, body := range answer.Content {
					c.Answer, c.AnswerType = refName(body.Schema.Ref), media
				}
			}
			slices.Sort(c.Problems)
			calls = append(calls, c)
		}
	}
	slices.SortFunc(calls, func(a, b docCall) int { return strings.Compare(a.place, b.place) })
	for i := len(calls) - 1; i > 0; i-- { // a heading stands before the first of its calls only
		if calls[i].Tag == calls[i-1].Tag {
			calls[i].Tag = ""
		}
	}
	return calls, nil
}

func (doc *openAPI) shapes() []docShape {
	var out []docShape
	for name, s := range doc.Components.Schemas {
		shape := docShape{Name: name, Text: s.Description}
		if len(s.Properties) == 0 {
			shape.Text = strings.TrimSpace(s.describe() + ". " + s.Description)
		}
		for field, f := range s.Properties {
			text := f.Description
			if slices.Contains(s.Required, field) && strings.HasPrefix(name, "New") {
				text = strings.TrimSpace("Required. " + text)
			}
			shape.Fields = append(shape.Fields, docField{field, f.describe(), text})
		}
		slices.SortFunc(shape.Fields, func(a, b docField) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, shape)
	}
	slices.SortFunc(out, func(a, b docShape) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// describe says in a few words what a schema takes.
func (s *docSchema) describe() string {
	switch {
	case s.Ref != "":
		return refName(s.Ref)
	case len(s.AnyOf) > 0:
		var parts []string
		for i := range s.AnyOf {
			parts = append(parts, s.AnyOf[i].describe())
		}
		return strings.Join(parts, " or ")
	case len(s.Enum) > 0:
		var parts []string
		for _, v := range s.Enum {
			if v != nil && v != "" {
				parts = append(parts, fmt.Sprint(v))
			}
		}
		return strings.Join(parts, ", ")
	}
	kind := fmt.Sprint(s.Type)
	if list, ok := s.Type.([]any); ok {
		kind = strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", " or "), "[]")
	}
	if s.Format == "date-time" {
		kind = strings.Replace(kind, "string", "time", 1)
	}
	if s.Items != nil {
		kind = strings.Replace(kind, "array", "list of "+s.Items.describe(), 1)
	}
	if s.Default != nil {
		kind += fmt.Sprintf(", default %v", s.Default)
	}
	return kind
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// docProblem is one type of problem; its anchor is what the type's URI names.
type docProblem struct{ ID, Text string }

func problemKinds() []docProblem {
	return []docProblem{
		{"malformed", "400. The request cannot be read as JSON; line and offset say where."},
		{"unauthorised", "401. There is no token, or none that is known."},
		{"forbidden", "403. The token's role may not do this; role says which may."},
		{"not-found", "404. There is no such thing, or it was removed."},
		{"method", "405. The path has no such method; Allow lists those it has."},
		{"conflict", "409. It contradicts what is there: a key that is taken, a step that was done, an Idempotency-Key with another body."},
		{"too-large", "413. The body is over 1 MiB."},
		{"media-type", "415. The body is not application/json (text/csv for an import)."},
		{"invalid", "422. A field is not valid; field and errors name it."},
		{"often", "429. It is asked too often; it may succeed after Retry-After."},
		{"internal", "500. Our fault; instance says what to look for in the log."},
		{"unavailable", "503. Not possible at the moment; the same request may succeed after Retry-After."},
	}
}
