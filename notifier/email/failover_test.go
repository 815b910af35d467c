package email

import (
	"testing"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func goingDown(string) error {
	return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "going down"}
}

func TestAMessageThatOneRelayPutsOffGoesToTheNextAtOnce(t *testing.T) {
	for name, options := range map[string]emailtest.Options{
		"at MAIL": {OnMail: goingDown},
		"at the dot": {OnData: func(emailtest.Message) error {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "too fast"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			first := emailtest.NewServer(t, options)
			second := emailtest.NewServer(t, emailtest.Options{})
			p := newPool(t, first.URL("tls=off")+","+second.URL("tls=off"))
			var all []*sending
			for n := range 30 {
				all = append(all, start(t, p, mailTo(reader(n)), notifier.LaneRoutine, &flight{}))
			}
			for _, s := range all {
				if _, err := s.wait(); err != nil {
					t.Errorf("it came back although the second relay works: %v", err)
				}
			}
			if n := len(second.Messages()); n != 30 {
				t.Errorf("the second relay has %d of 30", n)
			}
		})
	}
}

func TestWhereEveryRelayPutsItOffTheWordsOfTheLastComeBack(t *testing.T) {
	no := emailtest.Options{OnMail: goingDown}
	second := emailtest.NewServer(t, no)
	p := newPool(t, emailtest.NewServer(t, no).URL("tls=off")+","+second.URL("tls=off"))
	_, err := send(t, p, reader(1), notifier.LaneRoutine, &flight{})
	if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Code != 421 || se.Receipt.Relay != second.Addr {
		t.Errorf("it came back with %+v", se)
	}
}
