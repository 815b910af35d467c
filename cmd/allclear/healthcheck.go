package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"allclear/notifier"
)

// healthcheckCmd is what a container's health check runs: the image holds no curl.
type healthcheckCmd struct {
	Listen string `setting:"LISTEN" group:"settings" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the service listens."`
}

func (c *healthcheckCmd) Run(a *app) error {
	if err := listenAddress("LISTEN", c.Listen); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort(host, port) + "/readyz"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// A proxy of the environment has no part in asking one's own process.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return notifier.Refuse(notifier.ErrUnavailable, "no answer from %s", url)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
	answer := strings.Join(strings.Fields(string(text)), " ")
	if res.StatusCode != http.StatusOK {
		return notifier.Refuse(notifier.ErrUnavailable, "not ready: %s", answer)
	}
	fmt.Fprintln(a.out, answer)
	return nil
}
