package smstest

import (
	"bufio"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"time"
	"unicode/utf16"
)

// Phone makes a carrier that sends the messages, each "SENDER RECEIVER text WORDS",
// and gets whatever anybody is sent from then on. It takes the place of the one before.
func (k *Kannel) Phone(messages ...string) {
	k.t.Helper()
	if k.hangUp != nil {
		k.hangUp()
	}
	args := append([]string{"-H", "127.0.0.1", "-r", fmt.Sprint(k.carrier), "-i", "0.1", "-m", fmt.Sprint(len(messages)), "-v", "0"}, messages...)
	cmd := exec.Command(fakesmsc, args...) // ended below
	cmd.Dir = k.dir
	out, err := cmd.StderrPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(k.log, "phone:", lines.Text())
			select {
			case k.lines <- lines.Text():
			default:
			}
		}
	}()
	ended := false
	k.hangUp = func() {
		if ended {
			return
		}
		ended = true
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	}
	k.t.Cleanup(k.hangUp)
}

// Heard waits for a line of the phone's that holds words.
func (k *Kannel) Heard(words string) string {
	k.t.Helper()
	end := time.After(patience)
	for {
		select {
		case l := <-k.lines:
			if strings.Contains(l, words) {
				return l
			}
		case <-end:
			k.t.Fatalf("the phone did not hear %q within %s", words, patience)
		}
	}
}

// Count is how many lines of all that was said so far, by Kannel and the phone, hold words.
func (k *Kannel) Count(words string) int { return k.log.has(words) }

// Wide is the text of a line of the phone's in UCS-2, which it shows as bytes in percents.
func (k *Kannel) Wide(line string) string {
	k.t.Helper()
	_, text, _ := strings.Cut(line, " ucs-2 ")
	raw, err := url.QueryUnescape(strings.TrimRight(text, "> \r\n"))
	if err != nil {
		k.t.Fatalf("%q: %v", line, err)
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	return string(utf16.Decode(units))
}
