package api

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"allclear/notifier"
)

// proofPage is how many rows of a notice's files are read at once.
const proofPage = 1000

// rejectBook is what of the store rejects are written from.
type rejectBook interface {
	Rejects(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reject, int64, error)
	RejectEncoding(ctx context.Context, notice string) (string, error)
}

// RejectCharset is what rejects in an encoding are called where they are sent.
func RejectCharset(encoding string) string {
	if strings.HasPrefix(encoding, "utf-16") {
		return "utf-16"
	}
	return encoding
}

// WriteRejects writes the rows that could not be used as they stood in the
// file, behind the file's own header, in its encoding; rows of files in several
// are in UTF-8. Where a later file had another header that stands before its
// rows. Rows that named somebody who was erased are left out.
func WriteRejects(ctx context.Context, book rejectBook, notice string, to io.Writer) error {
	encoding, err := book.RejectEncoding(ctx, notice)
	if err != nil {
		return err
	}
	out, header, after := &encoder{out: bufio.NewWriterSize(to, 32<<10), encoding: encoding}, "", int64(0)
	for {
		page, next, err := book.Rejects(ctx, notice, after, proofPage)
		if err != nil {
			return err
		}
		for _, r := range page {
			if r.Header != "" && r.Header != header {
				header = r.Header
				_ = out.write(header) // kept and told by Flush
			}
			if r.Text == "" {
				continue
			}
			if err := out.write(r.Text + "\n"); err != nil {
				return err
			}
		}
		if len(page) == 0 || next == after || next == 0 {
			return out.out.Flush()
		}
		after = next
	}
}

// encoder writes text in an encoding, UTF-16 behind its mark.
type encoder struct {
	out      *bufio.Writer
	encoding string
	begun    bool
}

func (e *encoder) write(text string) error {
	if e.encoding != "windows-1252" && !strings.HasPrefix(e.encoding, "utf-16") {
		_, err := e.out.WriteString(text)
		return err
	}
	if !e.begun && e.encoding != "windows-1252" {
		text = "\ufeff" + text
	}
	e.begun = true
	var bytes []byte
	for _, r := range text {
		bytes = e.rune(bytes, r)
	}
	_, err := e.out.Write(bytes)
	return err
}

// rune appends a character; one that the encoding has not is a question mark,
// as where a row was damaged on its way.
func (e *encoder) rune(to []byte, r rune) []byte {
	if e.encoding == "windows-1252" {
		b, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			b = '?'
		}
		return append(to, b)
	}
	for _, unit := range utf16.AppendRune(nil, r) {
		if e.encoding == "utf-16be" {
			to = binary.BigEndian.AppendUint16(to, unit)
		} else {
			to = binary.LittleEndian.AppendUint16(to, unit)
		}
	}
	return to
}
