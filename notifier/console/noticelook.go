package console

import (
	"strings"

	"allclear/notifier"
)

// lookPage is what one recipient of a notice would get.
type lookPage struct {
	Of      notifier.Notice
	At      Looking
	Whom    []string
	Tongues []string
	Copy    Copy
	Preview preview
}

func (c *console) lookAtNotice(q *request) (answer, error) {
	n, err := c.o.Store.Notice(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	v := q.URL.Query()
	set, _ := c.o.Templates.Now()
	p := lookPage{Of: n, Whom: []string{"smallest", "median", "largest"}, Tongues: set.Languages(), At: Looking{
		Which: v.Get("which"), Address: strings.TrimSpace(v.Get("address")), Language: v.Get("language"), Timezone: strings.TrimSpace(v.Get("zone")),
	}}
	if p.At.Address != "" {
		p.At.Which = ""
	}
	if p.Copy, err = c.o.Notices.Look(q.Context(), n, p.At); err != nil {
		return answer{}, err
	}
	measured := notifier.MeasureText(p.Copy.SMS.Text)
	p.Preview = preview{
		Subject: p.Copy.Mail.Subject, HTML: p.Copy.Mail.HTML, Text: p.Copy.Mail.Text, SMS: p.Copy.SMS.Text, Segments: measured.Segments,
		Encoding: string(measured.Encoding), NoPhones: !c.o.Phones,
	}
	return answer{page: "look", title: "Preview: " + n.Title, data: p, styles: styleSources(p.Preview.HTML)}, nil
}

// testNotice mails one recipient's copy to whoever asks. What is sent so is marked as a test.
func (c *console) testNotice(q *request) (answer, error) {
	n, err := c.o.Store.Notice(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	said, err := c.o.Notices.Test(q.Context(), n, q.form.Get("which"), q.form.Get("to"))
	if wrong := wrongOf(err); wrong != nil {
		return c.noticeWith(q, noticePage{Wrong: wrong})
	}
	if err != nil {
		return answer{}, err
	}
	return c.noticeWith(q, noticePage{Tested: said})
}
