package templates

import (
	"slices"

	"allclear/notifier"
)

// view is one sort of mail. Several may share a file.
type view struct {
	name string // also the end of its subject's key
	file string
	on   notifier.EventType // "" for what no event asks for
}

// views lists every mail.
func views() []view {
	return []view{
		{"incident-opened", "mail/incident-opened.html", notifier.IncidentCreated},
		{"incident-updated", "mail/incident-updated.html", notifier.IncidentUpdated},
		{"incident-resolved", "mail/incident-resolved.html", notifier.IncidentResolved},
		{"incident-corrected", "mail/incident-corrected.html", notifier.IncidentCorrected},
		{"incident-retracted", "mail/incident-retracted.html", notifier.IncidentRetracted},
		{"maintenance-scheduled", "mail/maintenance.html", notifier.MaintenanceScheduled},
		{"maintenance-reminder", "mail/maintenance.html", notifier.MaintenanceReminder},
		{"maintenance-started", "mail/maintenance.html", notifier.MaintenanceStarted},
		{"maintenance-extended", "mail/maintenance.html", notifier.MaintenanceExtended},
		{"maintenance-completed", "mail/maintenance.html", notifier.MaintenanceCompleted},
		{"post", "mail/post.html", notifier.PostPublished},
		{"confirm", "mail/confirm.html", notifier.SubscriberConfirm},
		{"link", "mail/link.html", notifier.SubscriberLink},
		{"move-from", "mail/move-from.html", notifier.SubscriberMoveFrom},
		{"move-to", "mail/move-to.html", notifier.SubscriberMoveTo},
		{"second", "mail/second.html", notifier.SubscriberSecond},
		{"owner", "mail/owner.html", notifier.SubscriberOwner},
		{"endpoint-confirm", "mail/endpoint-confirm.html", notifier.SubscriberConfirm},
		{"endpoint-link", "mail/endpoint-link.html", notifier.SubscriberLink},
		{"endpoint-disabled", "mail/endpoint-disabled.html", notifier.EndpointDisabled},
		{"digest", digestFile, notifier.DigestDue},
		{"test", "mail/test.html", ""},
	}
}

// mailFiles lists the files of all mails, each once.
func mailFiles() []string {
	out := []string{noticeFile}
	for _, v := range views() {
		if !slices.Contains(out, v.file) {
			out = append(out, v.file)
		}
	}
	return out
}

// The names of the pages, for Pages.Page.
const (
	PageHome          = "home"
	PageHistory       = "history"
	PageIncident      = "incident"
	PageSubscribe     = "subscribe"
	PageSubscribeStep = "subscribe-step" // the button again, or work before it
	PageSubscribeSent = "subscribe-sent"
	PageSubscribeBusy = "subscribe-busy"

	PageConfirm      = "confirm"
	PageConfirmed    = "confirmed"
	PageConfirmLate  = "confirm-late"
	PageConfirmLeft  = "confirm-left"
	PageConfirmOver  = "confirm-over" // the one incident that was to be followed
	PageUnsubscribe  = "unsubscribe"
	PageUnsubscribed = "unsubscribed"
	PageMessage      = "message"

	PageManage   = "manage"
	PageErase    = "manage-erase"
	PageErased   = "manage-erased"
	PageGroup    = "manage-group"  // only its owner may
	PageAsked    = "manage-asked"  // the owner was written to
	PageMove     = "manage-move"   // agree to a move
	PageAgreed   = "manage-agreed" // and now the other address
	PageMoved    = "manage-moved"
	PageLink     = "link"
	PageLinkSent = "link-sent"
	PageUndo     = "left-undo"
	PageReturned = "left-returned"
)

func pageNames() []string {
	return append([]string{PageHome, PageHistory, PageIncident, PageSubscribe, PageSubscribeStep, PageMessage, PageManage, PageLink,
		PageEndpoint, PageEndpointManage, PagePhone, PagePhoneCode, PagePhoneManage}, actionPages()...)
}

// actionPages are those that an ActionPage is for.
func actionPages() []string {
	return []string{
		PageSubscribeSent, PageSubscribeBusy, PageConfirm, PageConfirmed, PageConfirmLate, PageConfirmLeft, PageConfirmOver, PageUnsubscribe, PageUnsubscribed, PageErase, PageErased, PageGroup, PageAsked,
		PageMove, PageAgreed, PageMoved, PageLinkSent, PageUndo, PageReturned,
		PageEndpointSent, PageEndpointConfirm, PageEndpointConfirmed, PageEndpointLeave, PageEndpointLeft, PagePhoneDone, PagePhoneLeave, PagePhoneLeft,
	}
}

// Views lists what can be previewed: mails by name, pages as "page/NAME".
func (s *Set) Views() []string {
	var out []string
	for _, v := range views() {
		out = append(out, v.name)
	}
	out = append(out, notifier.NoticeTemplates...)
	for _, p := range pageNames() {
		out = append(out, "page/"+p)
	}
	return out
}
