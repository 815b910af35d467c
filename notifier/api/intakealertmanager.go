package api

import (
	"cmp"
	"strconv"

	"allclear/notifier"
)

// alertmanagerHook is version 4 of what Alertmanager posts
// (prometheus.io/docs/alerting/latest/configuration/#webhook_config).
type alertmanagerHook struct {
	Version           string              `json:"version"`
	GroupKey          string              `json:"groupKey"`
	TruncatedAlerts   int                 `json:"truncatedAlerts"`
	Status            string              `json:"status"`
	GroupLabels       map[string]string   `json:"groupLabels"`
	CommonLabels      map[string]string   `json:"commonLabels"`
	CommonAnnotations map[string]string   `json:"commonAnnotations"`
	Alerts            []alertmanagerAlert `json:"alerts"`
}

type alertmanagerAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    *string           `json:"startsAt"`
	EndsAt      *string           `json:"endsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// alertmanagerReports makes one incident of a group: the group is what its
// owner chose to be told of as one thing (group_by), and twenty machines that
// lose the same disk array are one outage to a reader. It is resolved when the
// last alert of the group is. Whether that is so is kept by alert and not by
// group: a group has no times of its own by which a late message could be told
// from news.
func alertmanagerReports(in *intake) ([]notifier.Report, error) {
	var hook alertmanagerHook
	if err := in.read(&hook); err != nil {
		return nil, err
	}
	if hook.Version != "4" {
		return nil, notifier.Invalidf("version", "is %q; this takes version 4 of Alertmanager's webhook", notifier.Clip(hook.Version))
	}
	key, err := name("groupKey", hook.GroupKey)
	if err != nil {
		return nil, err
	}
	if hook.Status != "firing" && hook.Status != "resolved" {
		return nil, notifier.Invalidf("status", "%q is not firing or resolved", notifier.Clip(hook.Status))
	}
	if len(hook.Alerts) == 0 {
		return nil, notifier.Invalidf("alerts", "must not be empty")
	}
	r := notifier.Report{
		Source: in.rules.from("alertmanager"), Fingerprint: key,
		// What was left out of a long message may go on.
		Over: hook.Status == "resolved" && hook.TruncatedAlerts == 0,
	}
	for n := range hook.Alerts {
		a, err := in.alertmanagerAlert("alerts["+strconv.Itoa(n)+"]", &hook.Alerts[n])
		if err != nil {
			return nil, err
		}
		r.Alerts = append(r.Alerts, a)
	}
	r.Opening = in.rules.opening(hook.title())
	return []notifier.Report{r}, nil
}

func (in *intake) alertmanagerAlert(field string, a *alertmanagerAlert) (out notifier.Alert, err error) {
	if out.Fingerprint, err = name(field+".fingerprint", a.Fingerprint); err != nil {
		return out, err
	}
	if out.StartsAt, err = in.when(field+".startsAt", a.StartsAt); err != nil {
		return out, err
	}
	if out.StartsAt.IsZero() {
		return out, notifier.Invalidf(field+".startsAt", "must not be empty")
	}
	switch a.Status {
	case "firing": // endsAt is when it would be taken for resolved
		out.Severity, out.Components = in.severity(a.Labels), in.component(a.Labels)
		out.Body = notifier.MonitorBody(cmp.Or(a.Annotations["description"], a.Annotations["message"]), in.desk)
	case "resolved":
		if out.EndsAt, err = in.when(field+".endsAt", a.EndsAt); err != nil {
			return out, err
		}
		if out.EndsAt.Before(out.StartsAt) {
			out.EndsAt = out.StartsAt
		}
	default:
		return out, notifier.Invalidf(field+".status", "%q is not firing or resolved", notifier.Clip(a.Status))
	}
	return out, nil
}

// title is what the rules' author wrote for all of the group, else for the
// first that is wrong, else the alert's name.
func (h *alertmanagerHook) title() string {
	title := cmp.Or(h.CommonAnnotations["summary"], h.CommonAnnotations["title"])
	for n := range h.Alerts {
		if a := &h.Alerts[n]; title == "" && a.Status == "firing" {
			title = cmp.Or(a.Annotations["summary"], a.Annotations["title"])
		}
	}
	title = cmp.Or(title, h.GroupLabels["alertname"], h.CommonLabels["alertname"], h.Alerts[0].Labels["alertname"])
	if notifier.MonitorTitle(title) == "" {
		return h.GroupKey
	}
	return title
}
