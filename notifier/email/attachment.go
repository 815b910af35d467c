package email

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"path"
	"strings"

	"allclear/notifier"
)

// base64Line is how many bytes of a file go on a line of 76 characters (RFC 2045 section 6.8).
const base64Line = 57

// fileNameSize is the longest name of a file, in bytes. Three times as long
// where it is not ASCII, it still stands on one line (RFC 2231 section 4).
const fileNameSize = 200

// mixed is a mail with files behind its text: the outer multipart of RFC 2046
// section 5.1.3, in which the text is the first part.
type mixed struct {
	boundary string
	files    []byte // parts with their delimiters, and the end
}

// attach wraps what encodeBody made of a letter, if files go with it.
func attach(l *notifier.Letter, text encoded) (encoded, *mixed, error) {
	if len(l.Attachments) == 0 {
		return text, nil, nil
	}
	// It stands nowhere in the text: it is made of all there is.
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q", l.EventID, l.Text, l.HTML)
	for _, a := range l.Attachments {
		fmt.Fprintf(h, "%q %q %x", a.Name, a.Type, sha256.Sum256(a.Data))
	}
	m := &mixed{boundary: hex.EncodeToString(h.Sum(nil))[:48]}
	for i, a := range l.Attachments {
		head, err := fileHead(a)
		if err != nil {
			return text, nil, fmt.Errorf("attachment %d: %w", i, err)
		}
		m.files = append(m.files, "\r\n--"+m.boundary+"\r\n"+head+"\r\n"...)
		for data := a.Data; len(data) > 0; {
			n := min(base64Line, len(data))
			m.files = base64.StdEncoding.AppendEncode(m.files, data[:n])
			m.files, data = append(m.files, "\r\n"...), data[n:]
		}
	}
	m.files = append(m.files, "\r\n--"+m.boundary+"--\r\n"...)
	return encoded{subject: text.subject, contentType: `multipart/mixed; boundary="` + m.boundary + `"`}, m, nil
}

// fileHead is the header of a file's part.
func fileHead(a notifier.Attachment) (string, error) {
	switch {
	case strings.TrimSpace(a.Name) == "" || len(a.Name) > fileNameSize:
		return "", fmt.Errorf("the name must have 1 to %d bytes", fileNameSize)
	case path.Base(a.Name) != a.Name || strings.ContainsRune(a.Name, '\\') || a.Name == "." || a.Name == "..":
		return "", errors.New("the name must have no folder")
	}
	if err := refuseControls(a.Name); err != nil {
		return "", fmt.Errorf("the name %w", err)
	}
	kind, parameters, err := mime.ParseMediaType(a.Type)
	if err != nil || !strings.Contains(kind, "/") || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		return "", fmt.Errorf("%q is not the type of a file", notifier.Clip(a.Type))
	}
	parameters["name"] = a.Name // for programs that do not read the disposition
	content := mime.FormatMediaType(kind, parameters)
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": a.Name})
	if content == "" || disposition == "" {
		return "", fmt.Errorf("type %q or name %q cannot be written in a header", notifier.Clip(a.Type), notifier.Clip(a.Name))
	}
	return foldAtSpaces("Content-Type: "+content) + "\r\n" +
		foldAtSpaces("Content-Disposition: "+disposition) + "\r\n" +
		"Content-Transfer-Encoding: base64\r\n", nil
}

// mixed writes the body of a mail with files.
func (w *skeletonWriter) mixed(m *mixed, text encoded) {
	w.text("--" + m.boundary + "\r\n" + foldAtSpaces("Content-Type: "+text.contentType) + "\r\n")
	if text.transfer != "" {
		w.text("Content-Transfer-Encoding: " + text.transfer + "\r\n")
	}
	w.text("\r\n")
	w.body(text)
	w.text(string(m.files))
}
