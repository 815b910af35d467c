package main

import (
	"context"
	"fmt"

	"allclear/notifier"
	"allclear/store"
)

type componentCmd struct {
	Add     componentAddCmd     `cmd:"" help:"Add a component."`
	Set     componentSetCmd     `cmd:"" help:"Change a component's name, group or state (tells nobody)."`
	Members componentMembersCmd `cmd:"" help:"Say who lives on a component, by a file."`
	List    componentListCmd    `cmd:"" help:"List the components."`
	Remove  componentRemoveCmd  `cmd:"" help:"Remove a component that nothing names any more."`
}

type componentAddCmd struct {
	Key   string `arg:"" help:"What incidents and subscribers call it: a-z, 0-9, dot, dash, underscore."`
	Name  string `placeholder:"TEXT" help:"What readers see; default: the key."`
	Group string `placeholder:"TEXT" help:"The heading it stands under."`
	State string `placeholder:"STATE" help:"operational (default), degraded, partial_outage, major_outage or maintenance."`
	Base
}

func (c *componentAddCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		comp := notifier.Component{Key: c.Key, Name: c.Name, Group: c.Group, State: notifier.ComponentState(c.State), CreatedAt: db.Now()}
		if err := comp.Validate(); err != nil {
			return err
		}
		if err := db.AddComponent(ctx, comp); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "added component %s (%s), %s\n", comp.Key, comp.Name, words(string(comp.State)))
		return nil
	})
}

type componentSetCmd struct {
	Key   string  `arg:"" help:"The component."`
	Name  *string `placeholder:"TEXT" help:"What readers see."`
	Group *string `placeholder:"TEXT" help:"The heading it stands under; empty for none."`
	State *string `placeholder:"STATE" help:"operational, degraded, partial_outage, major_outage or maintenance."`
	Base
}

func (c *componentSetCmd) Run(a *app) error {
	if c.Name == nil && c.Group == nil && c.State == nil {
		return &usageError{"nothing to change; give --name, --group or --state"}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		comp, err := db.ChangeComponent(ctx, c.Key, func(comp *notifier.Component) error {
			if c.Name != nil {
				comp.Name = *c.Name
			}
			if c.Group != nil {
				comp.Group = *c.Group
			}
			if c.State != nil {
				comp.State = notifier.ComponentState(*c.State)
			}
			return comp.Validate()
		})
		if err != nil {
			return missing(err, "no component %q; allclear component list shows them", c.Key)
		}
		fmt.Fprintf(a.out, "%s (%s) is %s\n", comp.Key, comp.Name, words(string(comp.State)))
		return nil
	})
}

type componentListCmd struct {
	JSON bool `name:"json" help:"Print a JSON array."`
	Base
}

func (c *componentListCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		list, err := db.Components(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			out := []any{}
			for _, comp := range list {
				out = append(out, struct {
					Key   string                  `json:"key"`
					Name  string                  `json:"name"`
					Group string                  `json:"group"`
					State notifier.ComponentState `json:"state"`
				}{comp.Key, comp.Name, comp.Group, comp.State})
			}
			return printJSON(a.out, out)
		}
		if len(list) == 0 {
			fmt.Fprintln(a.out, "no components yet; allclear component add KEY adds one")
			return nil
		}
		t := newTable("key", "state", "group", "name")
		for _, comp := range list {
			t.add(comp.Key, words(string(comp.State)), comp.Group, comp.Name)
		}
		return t.print(a.out)
	})
}

type componentRemoveCmd struct {
	Key string `arg:"" help:"The component."`
	Base
}

func (c *componentRemoveCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := db.RemoveComponent(ctx, c.Key); err != nil {
			return missing(err, "no component %q; allclear component list shows them", c.Key)
		}
		fmt.Fprintf(a.out, "removed component %s\n", c.Key)
		return nil
	})
}
