package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// endpointRoom is what staff and an endpoint's owner do with it beyond what
// they do with any subscriber.
type endpointRoom struct {
	log    EndpointLog
	keys   EndpointKeys
	limits EndpointLimits
	tests  EndpointTests
	asks   EndpointAsks
	prober Prober
	now    func() time.Time
}

func (c endpointRoom) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/subscribers/{id}/attempts", role: notifier.RoleSender, owner: true, do: c.attempts},
		{method: http.MethodPost, path: "/subscribers/{id}/test", role: notifier.RoleSender, owner: true, stream: c.test},
		{method: http.MethodPost, path: "/subscribers/{id}/rotate-secret", role: notifier.RoleAdmin, owner: true, do: c.rotate},
		{method: http.MethodPatch, path: "/subscribers/{id}/limits", role: notifier.RoleSender, owner: true, do: c.limit},
		{method: http.MethodPost, path: "/subscribers/{id}/recover", role: notifier.RoleSender, owner: true, do: c.recover},
		{method: http.MethodPost, path: "/subscribers/{id}/replay", role: notifier.RoleSender, owner: true, do: c.replay},
		{method: http.MethodPost, path: "/subscribers/{id}/token", role: notifier.RoleAdmin, owner: true, do: c.token},
	}
}

// enterAs lets an endpoint's owner in: a token is good for its own endpoint
// alone, and any other looks as if it did not exist. What only staff may do is
// refused as that.
func (a *api) enterAs(r *http.Request, to route, secret string) (notifier.Token, error) {
	n, err := a.owners.EndpointByToken(r.Context(), sha256.Sum256([]byte(secret)))
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return notifier.Token{}, &unauthorised{message: "this token is not known, or was replaced", code: "invalid_token"}
	case err != nil:
		return notifier.Token{}, fmt.Errorf("look the endpoint's token up: %w", err)
	case !to.owner:
		return notifier.Token{}, &forbidden{has: roleOwner, needs: to.role}
	case r.PathValue("id") != n.String():
		return notifier.Token{}, notifier.ErrNotFound
	}
	return notifier.Token{ID: "endpoint " + n.String(), Name: "endpoint " + n.String(), Role: roleOwner}, nil
}

// roleOwner is the role of who owns an endpoint. It can nothing that a role of staff is needed for.
const roleOwner notifier.Role = "owner"

// byOwner reports whether an endpoint's owner acts.
func byOwner(ctx context.Context) bool { return notifier.ActorFrom(ctx).Role == roleOwner }

type attemptShape struct {
	Delivery *string            `json:"delivery"`
	Type     notifier.EventType `json:"type"`
	At       *string            `json:"at"`
	Status   int                `json:"status"`
	TookMS   float64            `json:"took_ms"`
	Answer   string             `json:"answer"`
	Trouble  string             `json:"trouble"`
	State    *string            `json:"state"`
	Title    string             `json:"title"`
	NextAt   *string            `json:"next_at"` // of the last try of a delivery that is tried again
}

func showAttempt(a notifier.Attempt) attemptShape {
	delivery := ""
	if a.Delivery != 0 {
		delivery = a.Delivery.String()
	}
	return attemptShape{
		text(delivery), a.Type, moment(a.At), a.Status, float64(a.Took.Microseconds()) / 1000, a.Answer, a.Trouble, text(string(a.State)), a.Title, moment(a.Next),
	}
}

func (c endpointRoom) attempts(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	cursor, limit, err := query(q.URL.Query())
	if err != nil {
		return reply{}, err
	}
	found, next, err := c.log.Attempts(ctx, n, cursor, limit)
	return paged(found, next, showAttempt), err
}

// test posts a signed test and answers with what came of it. No transaction
// is open meanwhile: it may take as long as an endpoint may.
func (c endpointRoom) test(w http.ResponseWriter, r *http.Request) error {
	n, err := subscribers.ParseNumber(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := c.asks.AskEndpoint(r.Context(), n, subscribers.AskTest); err != nil {
		return err
	}
	e, err := c.tests.Endpoint(r.Context(), int64(n))
	if err != nil {
		return err
	}
	tried, err := c.prober.Probe(r.Context(), e)
	if err != nil {
		return err
	}
	if _, err := c.tests.NoteTest(r.Context(), n, tried); err != nil {
		return err
	}
	said, err := encode(reply{http.StatusOK, showAttempt(tried)})
	if err != nil {
		return err
	}
	write(w, "application/json", said.Status, said.Body)
	return nil
}

// secretShape shows a secret; nothing shows it again.
type secretShape struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// OldUntil is how long the one before it signs too.
	OldUntil *string `json:"old_until"`
}

func (c endpointRoom) rotate(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Overlap *int `json:"overlap_hours"`
		Again   bool `json:"again"` // another one, though an earlier one still signs
	}
	if _, err := q.decode(&in, true); err != nil {
		return reply{}, err
	}
	overlap := notifier.SecretOverlap
	if in.Overlap != nil {
		if *in.Overlap < 0 || *in.Overlap > 7*24 {
			return reply{}, notifier.Invalidf("overlap_hours", "is not between 0 and 168")
		}
		overlap = time.Duration(*in.Overlap) * time.Hour
	}
	secret, err := c.keys.RotateSecret(ctx, n, overlap, in.Again)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, secretShape{n.String(), secret.Text(), moment(c.now().Add(overlap))}}, nil
}

// limit sets how many posts are in flight at once, and how many go in a second,
// of each process that sends.
func (c endpointRoom) limit(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Rate        *float64 `json:"rate"`
		Concurrency *int     `json:"concurrency"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	h, err := c.limits.ChangeHook(ctx, n, func(h *subscribers.Hook) error {
		keep(&h.Rate, in.Rate)
		keep(&h.Concurrency, in.Concurrency)
		return nil
	})
	return reply{http.StatusOK, struct {
		ID          string  `json:"id"`
		Rate        float64 `json:"rate"`
		Concurrency int     `json:"concurrency"`
	}{n.String(), h.Rate, h.Concurrency}}, err
}

func (c endpointRoom) recover(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Since string `json:"since"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	since, err := time.Parse(time.RFC3339Nano, in.Since)
	if err != nil {
		return reply{}, notifier.Invalidf("since", "%q is no time; write 2026-11-23T16:11:00Z", notifier.Clip(in.Since))
	}
	if furthest := c.now().Add(-subscribers.FurthestBack); since.Before(furthest) { // "everything"
		since = furthest
	}
	if err := c.asks.AskEndpoint(ctx, n, subscribers.AskRecover); err != nil {
		return reply{}, err
	}
	made, err := c.log.RecoverEndpoint(ctx, n, since)
	return reply{http.StatusAccepted, retried{made}}, err
}

func (c endpointRoom) replay(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Delivery string `json:"delivery"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	id, err := notifier.ParseDeliveryID(in.Delivery)
	if err != nil {
		return reply{}, notifier.Invalidf("delivery", "%q is not the id of a delivery, such as 12-7", notifier.Clip(in.Delivery))
	}
	if err := c.asks.AskEndpoint(ctx, n, subscribers.AskReplay); err != nil {
		return reply{}, err
	}
	return reply{http.StatusAccepted, retried{1}}, c.log.Replay(ctx, n, id)
}

func (c endpointRoom) token(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	if _, err := q.decode(&struct{}{}, true); err != nil {
		return reply{}, err
	}
	made, err := c.keys.MakeEndpointToken(ctx, n)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}{n.String(), made}}, nil
}

// ownersToken reports whether a bearer's secret is an endpoint owner's.
func ownersToken(secret string) bool { return strings.HasPrefix(secret, subscribers.HookTokenPrefix) }
