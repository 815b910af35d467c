package console

import (
	"net/http"
	"slices"

	"allclear/notifier"
)

// routes is everything there is, and who may do it. A role is the least that
// is needed; "" is the door, which is open to everybody.
func (c *console) routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	door := notifier.Role("")
	return slices.Concat(
		[]route{
			{method: get, path: "/sign-in", role: door, do: c.signInAsk},
			{method: post, path: "/sign-in", role: door, do: c.signIn},
			{method: get, path: "/set-up/{token}", role: door, do: c.setUpAsk},
			{method: post, path: "/set-up/{token}", role: door, do: c.setUp},
		},
		[]route{
			{method: post, path: "/sign-out", role: notifier.RoleViewer, do: c.signOut},
			{method: get, path: "/account", role: notifier.RoleViewer, do: c.account},
			{method: post, path: "/account/password", role: notifier.RoleViewer, do: c.changePassword},
			{method: post, path: "/account/codes", role: notifier.RoleViewer, do: c.renewCodes},
			{method: post, path: "/account/sessions/end", role: notifier.RoleViewer, do: c.endOwnSession},
		},
		[]route{
			{method: get, path: "", role: notifier.RoleViewer, do: c.now},
			{method: get, path: "/{$}", role: notifier.RoleViewer, do: func(*request) (answer, error) { return answer{to: Path}, nil }},
			{method: get, path: "/incidents", role: notifier.RoleViewer, do: c.incidents},
			{method: get, path: "/incidents/new", role: notifier.RolePoster, do: c.writeAsk},
			{method: post, path: "/incidents/new", role: notifier.RolePoster, do: c.write},
			{method: get, path: "/incidents/{id}", role: notifier.RoleViewer, do: c.incident},
			{method: get, path: "/incidents/{id}/update", role: notifier.RolePoster, do: c.sayAsk},
			{method: post, path: "/incidents/{id}/update", role: notifier.RolePoster, do: c.say},
			{method: get, path: "/incidents/{id}/correct", role: notifier.RolePoster, do: c.correctAsk},
			{method: post, path: "/incidents/{id}/correct", role: notifier.RolePoster, do: c.correct},
			{method: get, path: "/incidents/{id}/updates/{uid}", role: notifier.RolePoster, do: c.correctUpdateAsk},
			{method: post, path: "/incidents/{id}/updates/{uid}", role: notifier.RolePoster, do: c.correctUpdate},
			{method: post, path: "/incidents/{id}/held/{uid}/drop", role: notifier.RolePoster, do: c.dropHeld},
			{method: post, path: "/incidents/{id}/publish", role: notifier.RolePoster, do: c.publish},
			{method: post, path: "/incidents/{id}/release", role: notifier.RolePoster, do: c.release},
			{method: get, path: "/incidents/{id}/retract", role: notifier.RolePoster, do: c.retractAsk},
			{method: post, path: "/incidents/{id}/retract", role: notifier.RolePoster, do: c.retract},
			{method: get, path: "/components", role: notifier.RoleViewer, do: c.components},
			{method: post, path: "/components/{key}/state", role: notifier.RolePoster, do: c.setComponent},
			{method: get, path: "/events/{id}", role: notifier.RoleViewer, do: c.event},
			{method: post, path: "/events/{id}/retry-failed", role: notifier.RolePoster, do: c.retryFailed},
		},
		[]route{
			{method: get, path: "/notices", role: notifier.RoleViewer, do: c.notices},
			{method: get, path: "/notices/new", role: notifier.RoleSender, do: c.draftAsk},
			{method: post, path: "/notices/new", role: notifier.RoleSender, do: c.draft},
			{method: get, path: "/notices/{id}", role: notifier.RoleViewer, do: c.notice},
			{method: get, path: "/notices/{id}/live", role: notifier.RoleViewer, stream: c.followNotice, self: true},
			{method: get, path: "/notices/{id}/edit", role: notifier.RoleSender, do: c.editAsk},
			{method: post, path: "/notices/{id}/edit", role: notifier.RoleSender, do: c.edit},
			{method: post, path: "/notices/{id}/remove", role: notifier.RoleSender, do: c.removeNotice},
			{method: post, path: "/notices/{id}/audience", role: notifier.RoleSender, do: c.takeAudience, upload: true},
			{method: post, path: "/notices/{id}/members", role: notifier.RoleSender, do: c.takeMembers},
			{method: get, path: "/notices/{id}/preview", role: notifier.RoleSender, do: c.lookAtNotice},
			{method: post, path: "/notices/{id}/test", role: notifier.RoleSender, do: c.testNotice},
			{method: post, path: "/notices/{id}/send", role: notifier.RoleSender, do: c.sendNotice},
			{method: post, path: "/notices/{id}/approve", role: notifier.RoleApprover, do: c.approveNotice},
			{method: post, path: "/notices/{id}/step", role: notifier.RoleSender, do: c.stepNotice},
			{method: post, path: "/notices/{id}/rate", role: notifier.RoleSender, do: c.throttleNotice},
			{method: get, path: "/notices/{id}/report.csv", role: notifier.RoleSender, stream: c.noticeReport},
			{method: get, path: "/notices/{id}/rejects.csv", role: notifier.RoleSender, stream: c.noticeRejects},
		},
		[]route{
			{method: get, path: "/subscribers", role: notifier.RoleSender, do: c.subscribers},
			{method: get, path: "/subscribers/import", role: notifier.RoleAdmin, do: c.importAsk},
			{method: post, path: "/subscribers/import", role: notifier.RoleAdmin, do: c.importFile, upload: true},
			{method: get, path: "/subscribers/{id}", role: notifier.RoleSender, do: c.subscriber},
			{method: post, path: "/subscribers/{id}", role: notifier.RoleSender, do: c.changeSubscriber},
			{method: get, path: "/subscribers/{id}/edit", role: notifier.RoleSender, do: c.chooseAsk},
			{method: post, path: "/subscribers/{id}/edit", role: notifier.RoleSender, do: c.choose},
			{method: get, path: "/subscribers/{id}/digest", role: notifier.RoleSender, do: c.digest},
			{method: get, path: "/digests", role: notifier.RoleSender, do: c.digests},
			{method: get, path: "/endpoints", role: notifier.RoleSender, do: c.endpoints},
			{method: get, path: "/suppressions", role: notifier.RoleSender, do: c.suppressions},
			{method: post, path: "/suppressions", role: notifier.RoleAdmin, do: c.suppress},
			{method: post, path: "/suppressions/lift", role: notifier.RoleAdmin, do: c.lift},
			{method: get, path: "/deliveries", role: notifier.RoleSender, do: c.deliveries},
			{method: post, path: "/deliveries/{id}/retry", role: notifier.RoleSender, do: c.retryDelivery},
			{method: get, path: "/queue", role: notifier.RoleViewer, do: c.queue},
			{method: post, path: "/queue/pause", role: notifier.RoleAdmin, do: c.pause},
			{method: post, path: "/queue/resume", role: notifier.RoleAdmin, do: c.resume},
		},
		[]route{
			{method: get, path: "/staff", role: notifier.RoleAdmin, do: c.staff},
			{method: post, path: "/staff", role: notifier.RoleAdmin, do: c.addStaff},
			{method: post, path: "/staff/{name}/role", role: notifier.RoleAdmin, do: c.changeRole},
			{method: post, path: "/staff/{name}/reset", role: notifier.RoleAdmin, do: c.resetStaff},
			{method: post, path: "/staff/{name}/remove", role: notifier.RoleAdmin, do: c.removeStaff},
			{method: post, path: "/staff/sessions/end", role: notifier.RoleAdmin, do: c.endSession},
			{method: get, path: "/tokens", role: notifier.RoleAdmin, do: c.tokens},
			{method: post, path: "/tokens", role: notifier.RoleAdmin, do: c.createToken},
			{method: post, path: "/tokens/{id}/revoke", role: notifier.RoleAdmin, do: c.revokeToken},
			{method: get, path: "/audit", role: notifier.RoleAdmin, do: c.audit},
			{method: get, path: "/audit.csv", role: notifier.RoleAdmin, stream: c.auditFile},
			{method: get, path: "/settings", role: notifier.RoleAdmin, do: c.settings},
			{method: get, path: "/templates", role: notifier.RoleViewer, do: c.templates},
			{method: get, path: "/templates/edit", role: notifier.RoleViewer, do: c.template},
			{method: post, path: "/templates/edit", role: notifier.RoleAdmin, do: c.editTemplate},
			{method: get, path: "/templates/preview", role: notifier.RoleViewer, do: c.templatePreview},
			{method: post, path: "/templates/preview", role: notifier.RoleAdmin, do: c.tryTemplate},
		},
	)
}
