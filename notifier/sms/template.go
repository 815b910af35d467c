package sms

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/template"

	"allclear/notifier"
)

// templated speaks to any gateway by HTTP, as a file says: a line with method
// and address, lines with headers, an empty line, the body. Each is a template
// of text/template with .To, .From, .Text, .ID and .Report, and the functions
// json (a string with its quotes) and query (for addresses and forms). A line
// "# remote: path.to.field" before all says where a JSON answer holds the
// gateway's id for the message. Any 2xx is success, or where a line
// "# accepted: words" stands before all, one that holds these words. A line
// "# idempotent: yes" says that nothing is sent twice that has the same .ID.
type templated struct {
	line
	from    string
	method  string
	address *template.Template
	headers []headerTemplate
	body    *template.Template
	remote  []string
	words   string // that an answer holds where the message was taken; "" for any
}

type headerTemplate struct {
	name  string
	value *template.Template
}

// parseTemplate reads such a file. Its error names the line.
func parseTemplate(text, from string) (*templated, error) {
	g := &templated{line: newLine("template"), from: from}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	began := false
	for i, l := range strings.Split(strings.TrimSuffix(head, "\n"), "\n") {
		bad := func(format string, args ...any) (*templated, error) {
			return nil, fmt.Errorf("line %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		if comment, ok := strings.CutPrefix(l, "#"); ok && !began {
			switch name, value, _ := strings.Cut(strings.TrimSpace(comment), ":"); name {
			case "remote":
				g.remote = strings.Split(strings.TrimSpace(value), ".")
			case "accepted":
				g.words = strings.TrimSpace(value)
			case "idempotent":
				if g.again = strings.TrimSpace(value) == "yes"; !g.again {
					return bad("says neither yes nor nothing; write # idempotent: yes where the gateway sends nothing twice that has the same .ID")
				}
			}
			continue
		}
		name, rest, ok := strings.Cut(l, " ")
		switch {
		case !began:
			began = true
			if name != http.MethodPost && name != http.MethodGet && name != http.MethodPut || !ok {
				return bad("begins with no method; write POST https://gateway.example/send")
			}
			t, err := parsePart(rest)
			if err != nil {
				return bad("%s", err)
			}
			g.method, g.address = name, t
		default:
			name, value, ok := strings.Cut(l, ":")
			if !ok || name == "" || strings.ContainsAny(name, " \t{") {
				return bad("is no header; write Name: value, and an empty line before the body")
			}
			t, err := parsePart(strings.TrimSpace(value))
			if err != nil {
				return bad("%s", err)
			}
			g.headers = append(g.headers, headerTemplate{name, t})
		}
	}
	if !began {
		return nil, fmt.Errorf("line 1: begins with no method; write POST https://gateway.example/send")
	}
	var err error
	if g.body, err = parsePart(strings.TrimSuffix(body, "\n")); err != nil {
		return nil, fmt.Errorf("the body: %w", err)
	}
	r, err := g.request(Text{ID: "1-1", To: "+4740000000", Body: "Try \"it\" & see", Report: "https://status.example.com/intake"})
	if err != nil {
		return nil, err
	}
	if r.URL.Host == "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return nil, fmt.Errorf("the address is none of http or https")
	}
	return g, nil
}

func parsePart(text string) (*template.Template, error) {
	return template.New("gateway").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(s string) (string, error) {
			b, err := json.Marshal(s)
			return string(b), err
		},
		"query": url.QueryEscape,
	}).Parse(text)
}

func (g *templated) Name() string { return g.name }

func (g *templated) request(t Text) (*http.Request, error) {
	data := struct{ To, From, Text, ID, Report string }{t.To, g.from, t.Body, t.ID, t.Report}
	fill := func(what *template.Template) (string, error) {
		var b bytes.Buffer
		err := what.Execute(&b, data)
		return b.String(), err
	}
	address, err := fill(g.address)
	if err != nil {
		return nil, err
	}
	body, err := fill(g.body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(g.method, address, strings.NewReader(body)) //nolint:noctx // ask gives it one
	if err != nil {
		return nil, fmt.Errorf("the address is none") // the error would show it, and with it passwords
	}
	for _, h := range g.headers {
		value, err := fill(h.value)
		if err != nil {
			return nil, err
		}
		r.Header.Set(h.name, value)
	}
	return r, nil
}

func (g *templated) Send(ctx context.Context, t Text) (notifier.Receipt, error) {
	r, err := g.request(t)
	if err != nil {
		return notifier.Receipt{}, &notifier.SendError{Fault: notifier.FaultOurs, Stage: stageRender, Err: err}
	}
	a, err := g.ask(ctx, r)
	if err != nil {
		return notifier.Receipt{}, err
	}
	if a.status < 200 || a.status > 299 {
		return notifier.Receipt{}, g.refusal(a, string(a.body))
	}
	if !bytes.Contains(a.body, []byte(g.words)) {
		// A refusal, and nobody knows which: worth a few tries.
		return notifier.Receipt{}, &notifier.SendError{Fault: notifier.FaultRecipient, Code: a.status, Stage: stageAnswer, Receipt: g.receipt(a, notifier.Excerpt(a.body), "")}
	}
	return g.receipt(a, notifier.Excerpt(a.body), g.remoteID(a.body)), nil
}

// remoteID follows the path into a JSON answer.
func (g *templated) remoteID(body []byte) string {
	if len(g.remote) == 0 {
		return ""
	}
	var v any
	if json.Unmarshal(body, &v) != nil {
		return ""
	}
	for _, name := range g.remote {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return ""
}
