package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// toldLately is how many deliveries the page shows.
const toldLately = 20

// managing finds whose subscription a link shows. The error is errGone where it
// was erased. owner is set for the
// link that the owner of a group's address got; with the others a group's
// subscription is only looked at by who may not.
func (s *site) managing(r *http.Request) (who subscribers.Subscriber, owner bool, err error) {
	token := r.PathValue("token")
	n, err := s.links.Open(subscribers.ForManage, token, s.now())
	if errors.Is(err, subscribers.ErrLink) {
		owner = true
		n, err = s.links.Open(subscribers.ForOwner, token, s.now())
	}
	if err != nil {
		return who, false, err
	}
	who, err = s.people.Subscriber(r.Context(), n)
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return who, false, errGone
	case err == nil && owner && !who.Group: // nobody's to decide for others any more
		return who, false, subscribers.ErrLink
	case err == nil && (owner || s.aboutEndpoint(who)) && !s.links.About(token, who.Contact): // somebody else decides by now
		return who, false, subscribers.ErrLinkExpired
	}
	return who, owner, err
}

// manageAsk shows everything.
func (s *site) manageAsk(r *http.Request) (answer, error) {
	return s.own(r, func(who subscribers.Subscriber) (answer, error) {
		switch {
		case s.aboutEndpoint(who):
			return s.endpointAsk(r, who)
		case s.aboutPhone(who):
			return s.phoneShow(r, who, templates.PhonePage{})
		}
		return s.manageShow(r, who, templates.ManagePage{})
	})
}

// own runs do for whoever may see and change a subscription; all others it
// tells what they can do.
func (s *site) own(r *http.Request, do func(subscribers.Subscriber) (answer, error)) (answer, error) {
	who, owner, err := s.managing(r)
	switch {
	case errors.Is(err, subscribers.ErrLinkExpired):
		return s.tooOld(), nil
	case err != nil:
		return answer{}, err
	case who.Group && !owner:
		return s.askOwner(r, who)
	}
	said, err := do(who)
	if errors.Is(err, notifier.ErrNotFound) { // erased meanwhile
		return answer{}, errGone
	}
	if !slices.Contains([]string{templates.PageManage, templates.PageEndpointManage, templates.PagePhoneManage}, said.name) { // which may just have changed it
		said.lang = who.Language
	}
	return said, err
}

// askOwner is what a reader of a group's mails can do: have its owner asked.
// A mail provider's one click has no page, so that it asks at once.
func (s *site) askOwner(r *http.Request, who subscribers.Subscriber) (answer, error) {
	said := answer{name: templates.PageGroup, data: templates.ActionPage{}, lang: who.Language}
	if r.Method != http.MethodPost {
		return said, nil
	}
	if _, err := s.account.SendOwner(acting(r, who.Number), who.Number); err != nil && !errors.Is(err, notifier.ErrNotFound) {
		return answer{}, err
	}
	said.name = templates.PageAsked
	return said, nil
}

// manage does what one of the page's buttons says.
func (s *site) manage(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	return s.own(r, func(who subscribers.Subscriber) (answer, error) {
		switch {
		case s.aboutEndpoint(who):
			return s.endpointDo(r, who)
		case s.aboutPhone(who):
			return s.phoneDo(r, who)
		}
		page := templates.ManagePage{}
		var err error
		switch do := r.PostForm.Get("do"); do {
		case "save":
			page, who, err = s.save(r, who)
		case "pause":
			page, who, err = s.pause(r, who)
		case "resume":
			page.Done = "resumed"
			who, err = s.change(r, who, func(x *subscribers.Subscriber) error {
				if x.State != subscribers.Paused && x.State != subscribers.Active { // pressed twice, it is done
					return notifier.Invalidf("state", "is not paused")
				}
				x.State = subscribers.Active
				return nil
			})
		case "move":
			page, err = s.moveAway(r, who)
		case "second":
			var said *answer
			if page, said, err = s.nameSecond(r, who); err == nil && said != nil {
				return *said, nil
			}
		case "second-remove":
			page.Done = "second-removed"
			if s.seconds == nil {
				return answer{}, errForm
			}
			err = s.seconds.RemoveSecond(acting(r, who.Number), who.Number)
		case "stay":
			page.Done = "stayed"
			err = s.moves.CancelMove(acting(r, who.Number), who.Number)
		default:
			return answer{}, errForm
		}
		if field := wrongField(err); field != "" {
			page.Done, page.Wrong = "", append(page.Wrong, field)
		} else if err != nil {
			return answer{}, err
		}
		if strings.HasPrefix(page.Done, "second") {
			if is, err := s.people.Subscriber(r.Context(), who.Number); err == nil {
				who = is
			}
		}
		said, err := s.manageShow(r, who, page)
		if len(page.Wrong) > 0 {
			said.status = http.StatusUnprocessableEntity
		}
		return said, err
	})
}

// change writes what change makes of a subscriber, checked. Where it cannot be,
// who stays as it was.
func (s *site) change(r *http.Request, who subscribers.Subscriber, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error) {
	is, err := s.people.ChangeSubscriber(acting(r, who.Number), who.Number, func(x *subscribers.Subscriber) error {
		if err := change(x); err != nil {
			return err
		}
		return x.Validate()
	})
	if err != nil {
		return who, err
	}
	return is, nil
}

// save writes what was chosen.
func (s *site) save(r *http.Request, who subscribers.Subscriber) (templates.ManagePage, subscribers.Subscriber, error) {
	parts, err := s.posts.Components(r.Context())
	if err != nil {
		return templates.ManagePage{}, who, err
	}
	chosen, wrong := readChoices(r.PostForm, parts)
	if l := chosen.language; l != "" && l != who.Language && !s.pages.Speaks(l) {
		wrong, chosen.language = append(wrong, "language"), who.Language
	}
	only, all := who.Filter.Incident, r.PostForm.Get("follow") == "all"
	if keep := only != "" && !all; keep { // what is chosen of everything does not count
		chosen.filter = who.Filter
		wrong = slices.DeleteFunc(wrong, func(field string) bool { return slices.Contains([]string{"components", "kinds", "severity"}, field) })
	}
	page := templates.ManagePage{Done: "saved", Wrong: wrong}
	if len(wrong) == 0 {
		is, err := s.change(r, who, func(x *subscribers.Subscriber) error {
			if x.State == subscribers.Pending || x.State == subscribers.Unsubscribed {
				return notifier.Invalidf("state", "is %s", x.State)
			}
			chosen.put(x)
			return nil
		})
		if wrongField(err) == "" {
			return page, is, err
		}
		page.Wrong = append(page.Wrong, wrongField(err))
	}
	page.Done = ""
	chosen.put(&who) // so that what was entered is not lost
	who.Filter.Incident, page.All = only, all
	page.Some, page.NoKind = chosen.some, chosen.none
	return page, who, nil
}

// pause stops the mails until a day begins where the subscriber lives.
func (s *site) pause(r *http.Request, who subscribers.Subscriber) (templates.ManagePage, subscribers.Subscriber, error) {
	page := templates.ManagePage{Done: "paused", PauseUntil: r.PostForm.Get("until")}
	until, err := readDay(page.PauseUntil, s.location(who), s.now())
	if err != nil {
		return page, who, err
	}
	who, err = s.change(r, who, func(x *subscribers.Subscriber) error {
		if x.State != subscribers.Active && x.State != subscribers.Paused {
			return notifier.Invalidf("state", "is %s", x.State)
		}
		x.State, x.PausedUntil = subscribers.Paused, until
		return nil
	})
	return page, who, err
}

// moveAway has both addresses asked.
func (s *site) moveAway(r *http.Request, who subscribers.Subscriber) (templates.ManagePage, error) {
	page := templates.ManagePage{Done: "moving", MoveTo: r.PostForm.Get("address")}
	if !who.State.Movable() {
		return page, notifier.Invalidf("state", "is %s", who.State)
	}
	address, err := subscribers.ParseAddress(page.MoveTo)
	if err == nil { // of the subscriber's own asking, whatever became of it: what is known of the other address does not show
		if m, err := s.moves.Move(r.Context(), who.Number, false); err == nil && m.ToAddress == address && s.now().Before(m.AskedAt.Add(subscribers.MoveRest)) {
			page.Done, page.MovingRest = "moving-again", m.AskedAt.Add(subscribers.MoveRest)
		}
		err = s.moves.AskMove(acting(r, who.Number), who.Number, address)
	}
	if errors.Is(err, notifier.ErrConflict) {
		err = notifier.Invalidf("address-often", "was asked often")
	}
	if err == nil { // shown even where somebody else's move there is not through, which is nobody's to know
		page.MoveTo, page.MovingTo = "", address
	}
	return page, err
}

// manageShow fills the page in with what is kept.
func (s *site) manageShow(r *http.Request, who subscribers.Subscriber, page templates.ManagePage) (answer, error) {
	ctx := r.Context()
	parts, err := s.posts.Components(ctx)
	if err != nil {
		return answer{}, err
	}
	if page.Told, err = s.account.Told(ctx, who.Number, toldLately); err != nil {
		return answer{}, err
	}
	move, err := s.moves.Move(ctx, who.Number, false)
	switch {
	case err == nil:
		page.MovingTo, page.Agreed = move.ToAddress, !move.FromAt.IsZero()
	case !errors.Is(err, notifier.ErrNotFound):
		return answer{}, err
	}
	if page.Only, page.Over, err = s.followed(ctx, who); err != nil {
		return answer{}, err
	}
	page.Ended = page.Over && who.State == subscribers.Unsubscribed && who.Left.By == ""
	page.Path, page.Address, page.Now = "/manage/"+r.PathValue("token"), who.Address, s.now()
	page.State, page.Until, page.Group = string(who.State), who.PausedUntil, who.Group
	page.Parts, page.Chosen, page.Some = parts, who.Filter.Components, page.Some || len(who.Filter.Components) > 0
	if page.Mine, err = s.listed.get(ctx, s.now()); err != nil {
		return answer{}, err
	}
	page.OnlyMine = who.Filter.Mine
	page.Kinds, page.Severity = who.Filter.Kinds, who.Filter.Severity
	page.Cadence, page.Cadences = string(who.Cadence), cadences(notifier.Email)
	page.Hour, page.Weekday, page.Critical, page.AllQuiet = who.Hour.String(), string(who.Weekday), who.Critical, who.AllQuiet
	page.Timezone, page.Language = who.Timezone, who.Language
	page.Movable = who.Channel == notifier.Email && who.State.Movable() && who.SecondOf == 0
	if err := s.showSecond(ctx, who, &page); err != nil {
		return answer{}, err
	}
	switch {
	case who.State == subscribers.Unsubscribed:
	case who.Group: // only its owner comes here, whose token is good for leaving, too
		page.Leave = "/unsubscribe/" + r.PathValue("token")
	default:
		page.Leave = "/unsubscribe/" + s.links.Token(subscribers.ForUnsubscribe, who.Number, time.Time{})
	}
	return answer{name: templates.PageManage, data: page, lang: who.Language}, nil
}

// location is where a subscriber lives; UTC where that is not known.
func (s *site) location(who subscribers.Subscriber) *time.Location {
	if z, err := time.LoadLocation(who.Timezone); err == nil && who.Timezone != "" {
		return z
	}
	return time.UTC
}
