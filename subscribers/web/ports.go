package web

import (
	"context"
	"io"
	"net/netip"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// Posts is what was announced.
type Posts interface {
	Incident(ctx context.Context, id string) (notifier.Incident, error)
	Incidents(ctx context.Context, q notifier.IncidentQuery) ([]notifier.Incident, string, error)
	Components(ctx context.Context) ([]notifier.Component, error)
}

// People is who listens. The function that ChangeSubscriber is given may run more than once.
type People interface {
	Subscriber(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error)
	ChangeSubscriber(ctx context.Context, n subscribers.Number, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error)
	Followers(ctx context.Context) (int64, error)
	HasMembers(ctx context.Context) (bool, error) // somebody is known to live on a component
}

// SignUps is where those wait who asked on the form, and how they confirm.
type SignUps interface {
	QueueSignUp(ctx context.Context, x subscribers.SignUp) error
	ConfirmSubscriber(ctx context.Context, n subscribers.Number, network netip.Prefix) (subscribers.Subscriber, error)
	Evidence(ctx context.Context, n subscribers.Number) ([]subscribers.Evidence, error)
}

// Pages writes a page by its name, in the language that an Accept-Language
// header asks for (nothing is written on an error), and words what other forms
// are made of. *templates.Pages does.
type Pages interface {
	Page(w io.Writer, name, lang string, data any) error
	Lang(lang string) string
	Speaks(lang string) bool // there are texts for this one
	Feed(lang string, incidents []notifier.Incident, components []notifier.Component) (templates.Feed, error)
	Glance(lang string, data templates.Home) templates.Glance
	Consent(lang string, ch notifier.Channel) (language, words string)
	Policy() string // the Content-Security-Policy under which they work
}
