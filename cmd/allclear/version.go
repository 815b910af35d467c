package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

type buildVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Built    string `json:"commit_time"`
	Go       string `json:"go"`
	System   string `json:"system"`
}

func (c *versionCmd) Run(a *app) error {
	v := thisBuild()
	if c.JSON {
		return printJSON(a.out, v)
	}
	commit := v.Commit
	if commit == "" {
		commit = "unknown (built without version control)"
	} else if v.Modified {
		commit += " with changes"
	}
	_, err := fmt.Fprintf(a.out, "allclear %s\ncommit %s\n%s %s\n", v.Version, commit, v.Go, v.System)
	return err
}

// thisBuild reads what the compiler noted about this program.
func thisBuild() buildVersion {
	v := buildVersion{Version: "(devel)", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "vcs.time":
			v.Built = s.Value
		}
	}
	return v
}
