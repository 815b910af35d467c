package api

import (
	"context"
	"net/http"
)

// release sends what waits for the incident's all-clear now.
func (c incidentRoom) release(ctx context.Context, q *request) (reply, error) {
	if _, err := q.decode(&struct{}{}, true); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, c.waiting.ReleaseHold(ctx, q.PathValue("id"))
}

// heldNow is until when an incident holds back what was just said of it; nil also
// where that cannot be read. What is committed is never answered with an error:
// it would be said, and mailed, once more.
func (c incidentRoom) heldNow(ctx context.Context, incident string) *string {
	until, err := c.holds(ctx)
	if err != nil {
		return nil
	}
	return until[incident]
}

// holds is until when incidents hold back what was said of them.
func (c incidentRoom) holds(ctx context.Context) (map[string]*string, error) {
	found, err := c.waiting.Holds(ctx)
	out := map[string]*string{}
	for _, h := range found {
		out[h.IncidentID] = moment(h.Until)
	}
	return out, err
}
