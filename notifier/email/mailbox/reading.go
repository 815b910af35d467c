package mailbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"strings"
)

// field is one header field, unfolded.
type field struct{ Name, Value string }

// attachment is a part that is neither the text nor the HTML of a mail.
type attachment struct {
	Name string
	Type string
	Data []byte
}

// reading is a mail as a person reads it.
type reading struct {
	Header      []field
	Subject     string
	Text        string
	HTML        string
	Attachments []attachment
	Fault       string // why some of it could not be read; "" for nothing
}

// A mail from a stranger's program may be built to cost much.
const (
	maxDepth = 8
	maxParts = 100
)

// headerFields reads the header of a mail. A line without a colon ends it.
func headerFields(data []byte) []field {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	var out []field
	for _, line := range strings.Split(string(head), "\r\n") {
		if line == "" {
			continue
		}
		if (line[0] == ' ' || line[0] == '\t') && len(out) > 0 {
			out[len(out)-1].Value += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			break
		}
		out = append(out, field{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return out
}

// first is the first field called name, "" where there is none.
func first(fields []field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// words decodes RFC 2047; what cannot be decoded stays as it is.
func words(s string) string {
	if out, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		s = out
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// read takes a mail apart.
func read(data []byte) reading {
	r := reading{Header: headerFields(data)}
	r.Subject = words(first(r.Header, "Subject"))
	_, body, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	parts := 0
	if err := r.part(first(r.Header, "Content-Type"), first(r.Header, "Content-Transfer-Encoding"), "", bytes.NewReader(body), 0, &parts); err != nil {
		r.Fault = err.Error()
	}
	return r
}

// part reads one MIME part and what lies in it.
func (r *reading) part(contentType, encoding, disposition string, body io.Reader, depth int, parts *int) error {
	if *parts++; *parts > maxParts || depth > maxDepth {
		return fmt.Errorf("the mail has more than %d parts, or lies more than %d deep", maxParts, maxDepth)
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		mr := multipart.NewReader(body, params["boundary"])
		for {
			p, err := mr.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read a part: %w", err)
			}
			if err := r.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-Disposition"), p, depth+1, parts); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("decode a part of type %s: %w", kind, err)
	}
	how, names, _ := mime.ParseMediaType(disposition)
	switch {
	case how == "attachment":
	case kind == "text/plain" && r.Text == "":
		r.Text = inUTF8(content, params["charset"])
		return nil
	case kind == "text/html" && r.HTML == "":
		r.HTML = inUTF8(content, params["charset"])
		return nil
	}
	name := words(names["filename"])
	if name == "" {
		name = words(params["name"])
	}
	if name == "" {
		name = fmt.Sprintf("part %d", len(r.Attachments)+1)
	}
	r.Attachments = append(r.Attachments, attachment{Name: name, Type: kind, Data: content})
	return nil
}

// inUTF8 knows the charsets that need no table; others show what is ASCII in them.
func inUTF8(b []byte, charset string) string {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "windows-1252":
		var out strings.Builder
		for _, c := range b {
			out.WriteRune(rune(c))
		}
		return out.String()
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
