package email

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"
	"testing"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // UTF-8 alone is known without
	gomail "github.com/emersion/go-message/mail"

	"allclear/notifier"
)

func letterWithFiles(files ...notifier.Attachment) *notifier.Letter {
	l := sampleLetter()
	l.Attachments = files
	return l
}

// partsOf reads a mail as a mail program does: the types of its texts, and its files.
func partsOf(t *testing.T, data []byte) (texts map[string]string, files []notifier.Attachment) {
	t.Helper()
	r, err := gomail.CreateReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	texts = map[string]string{}
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return texts, files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch h := p.Header.(type) {
		case *gomail.InlineHeader:
			kind, _, err := h.ContentType()
			if err != nil {
				t.Fatal(err)
			}
			texts[kind] = strings.ReplaceAll(string(body), "\r\n", "\n")
		case *gomail.AttachmentHeader:
			name, err := h.Filename()
			if err != nil {
				t.Fatal(err)
			}
			kind, parameters, err := h.ContentType()
			if err != nil || parameters["name"] != name {
				t.Errorf("content type %s of %q: %v, %v", kind, name, parameters, err)
			}
			files = append(files, notifier.Attachment{Name: name, Type: kind, Data: body})
		}
	}
}

func TestFilesGoWithAMailAsTheyAreBehindItsTexts(t *testing.T) {
	every := make([]byte, 256*5)
	for i := range every {
		every[i] = byte(i)
	}
	sent := []notifier.Attachment{
		{Name: "restore-completed.csv", Type: "text/csv; charset=utf-8", Data: []byte("\ufeffSubject,Folder\r\nRe: \"x\",INBOX\r\n")},
		{Name: `Wiederhergestellte "Nachrichten" für Ådne – 復元.csv`, Type: "text/csv; charset=utf-8", Data: []byte("a\n.\n..\nb")},
		{Name: "empty.bin", Type: "application/octet-stream"},
		{Name: "every byte.bin", Type: "application/octet-stream", Data: every},
	}
	keys := sampleKeys(t)
	zone := published(t, keys)
	for _, key := range []string{"", "event-7/en/UTC"} { // for one reader, and kept for many
		for _, text := range []bool{false, true} {
			l := letterWithFiles(sent...)
			if l.Key = key; text {
				l.HTML, l.Key = "", l.Key+"/text"
			}
			data := composed(t, sampleCompositor(t, func(o *CompositorOptions) { o.Signers = keys }), l).Data
			if !bothHold(t, zone, data) {
				t.Errorf("key %q: %v", key, verdicts(t, zone, data))
			}
			wellFormed(t, data)
			changed := bytes.Replace(data, []byte("AAECAwQF"), []byte("AAECAwQG"), 1)
			if bytes.Equal(changed, data) || bothHold(t, zone, changed) {
				t.Error("a file can be changed without breaking the signature")
			}
			kind, _, err := mime.ParseMediaType(parsed(t, data).Header.Get("Content-Type"))
			if err != nil || kind != "multipart/mixed" {
				t.Errorf("content type %q, %v", kind, err)
			}
			if n := bytes.Count(data, []byte("filename*=utf-8''Wiederhergestellte%20")); n != 1 {
				t.Errorf("the name is not written as RFC 2231 has it:\n%s", data)
			}
			texts, files := partsOf(t, data)
			if !strings.Contains(texts["text/plain"], "nothing is lost. Ünïcödé = fine.\n.\nLeave: https://status.example.com/unsubscribe/"+sampleToken) || len(texts) != map[bool]int{false: 2, true: 1}[text] {
				t.Errorf("texts %q", texts)
			}
			if !text && !strings.Contains(texts["text/html"], `unsubscribe/`+sampleToken) {
				t.Errorf("texts %q", texts)
			}
			if len(files) != len(sent) {
				t.Fatalf("%d files", len(files))
			}
			for i, f := range files {
				want, _, _ := strings.Cut(sent[i].Type, ";")
				if f.Name != sent[i].Name || f.Type != want || !bytes.Equal(f.Data, sent[i].Data) {
					t.Errorf("sent %q, got %q", sent[i], f)
				}
			}
		}
	}
}

func TestTheTextsOfAMailWithFilesAreAlternativesInsideTheMixture(t *testing.T) {
	data := composed(t, sampleCompositor(t, nil), letterWithFiles(notifier.Attachment{Name: "a.csv", Type: "text/csv", Data: []byte("a")})).Data
	e, err := message.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var shape []string
	err = e.Walk(func(path []int, e *message.Entity, err error) error {
		if err != nil {
			return err
		}
		kind, _, err := e.Header.ContentType()
		shape = append(shape, strings.Repeat(" ", len(path))+kind)
		return err
	})
	if got := strings.Join(shape, "\n"); err != nil || got != "multipart/mixed\n multipart/alternative\n  text/plain\n  text/html\n text/csv" {
		t.Errorf("%v\n%s", err, got)
	}
	again := composed(t, sampleCompositor(t, nil), letterWithFiles(notifier.Attachment{Name: "a.csv", Type: "text/csv", Data: []byte("a")})).Data
	if !bytes.Equal(data, again) {
		t.Error("another compositor writes other bytes")
	}
}

func TestAFileThatCannotStandInAMailIsRefused(t *testing.T) {
	for _, c := range []struct{ name, kind, want string }{
		{"", "text/csv", "must have 1 to 200 bytes"},
		{strings.Repeat("x", 201), "text/csv", "must have 1 to 200 bytes"},
		{"a\r\nBcc: x@example.com", "text/csv", "line break"},
		{"../a.csv", "text/csv", "no folder"},
		{`c:\a.csv`, "text/csv", "no folder"},
		{"a.csv", "", "not the type of a file"},
		{"a.csv", "csv", "not the type of a file"},
		{"a.csv", "text/csv\r\nX: y", "not the type of a file"},
		{"a.csv", "multipart/mixed; boundary=x", "not the type of a file"},
	} {
		_, err := sampleCompositor(t, nil).Compose(sampleMessage(letterWithFiles(notifier.Attachment{Name: c.name, Type: c.kind, Data: []byte("x")})))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q of type %q: %v", c.name, c.kind, err)
		}
	}
}
