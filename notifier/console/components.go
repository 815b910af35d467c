package console

import (
	"slices"
	"strings"

	"allclear/notifier"
)

// componentsPage is the parts of the service and how each of them does.
type componentsPage struct {
	Groups []componentGroup
	States []notifier.ComponentState
}

type componentGroup struct {
	Name       string // "" for those without one
	Components []notifier.Component
}

func (c *console) components(q *request) (answer, error) {
	all, err := c.o.Store.Components(q.Context())
	if err != nil {
		return answer{}, err
	}
	p := componentsPage{States: notifier.ComponentStates}
	for _, one := range all { // by group, as the store lists them
		if n := len(p.Groups); n == 0 || p.Groups[n-1].Name != one.Group {
			p.Groups = append(p.Groups, componentGroup{Name: one.Group})
		}
		g := &p.Groups[len(p.Groups)-1]
		g.Components = append(g.Components, one)
	}
	return answer{page: "components", title: "Components", data: p}, nil
}

// setComponent says how a component does. Who looked at a page that is not true
// any more is refused: somebody else has just said otherwise.
func (c *console) setComponent(q *request) (answer, error) {
	state, was := notifier.ComponentState(q.form.Get("state")), notifier.ComponentState(q.form.Get("was"))
	_, err := c.o.Store.ChangeComponent(q.Context(), q.PathValue("key"), func(x *notifier.Component) error {
		switch {
		case !slices.Contains(notifier.ComponentStates, state): // none is none that Validate takes for operational
			return notifier.Invalidf("state", "choose one of the list")
		case x.State != was && x.State != state:
			return notifier.Refuse(notifier.ErrConflict, "Somebody has set %s to %s since this page was opened. Look at it again.", x.Name, strings.ReplaceAll(string(x.State), "_", " "))
		}
		x.State = state
		return nil
	})
	return answer{to: Path + "/components?done=component"}, err
}
