package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/telemetry"
)

type serveCommand struct {
	Settings
	JSON bool `help:"Print where it listens as one line of JSON on stdout."`
}

func (c *serveCommand) Help() string {
	return "Listens until SIGTERM or Ctrl-C, then finishes what it has begun. The first start makes the folders, the keys, and an API key that is printed once."
}

func (c *serveCommand) Run(ctx context.Context, out streams) error {
	log, err := c.logger(out.err)
	if err != nil {
		return err
	}
	v, err := startServer(ctx, &c.Settings, log, out.err, serverOptions{})
	if err != nil {
		return err
	}
	key, err := firstKey(v.keyring)
	if err == nil {
		err = c.announce(out, v, key)
	}
	if err == nil {
		select {
		case <-ctx.Done():
			log.Info("stopping: finishing what has begun")
		case err = <-v.failed:
		}
	}
	if stopErr := v.Stop(); err == nil {
		err = stopErr
	}
	return err
}

func (s *Settings) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, fmt.Errorf("read --log-level: %w", err)
	}
	format, err := telemetry.ParseFormat(s.LogFormat)
	if err != nil {
		return nil, fmt.Errorf("read --log-format: %w", err)
	}
	return telemetry.NewLogger(w, level, format), nil
}

func (c *serveCommand) announce(out streams, v *server, key string) error {
	if c.JSON {
		return printJSONLine(out.out, map[string]string{"url": v.url, "metrics": v.metrics, "api_key": key})
	}
	fmt.Fprintf(out.err, "fastshop %s\n  API and live page  %s\n", version, v.url)
	if v.metrics != "" {
		fmt.Fprintf(out.err, "  metrics            %s\n", v.metrics)
	}
	if key != "" {
		fmt.Fprintf(out.err, "  first API key      %s\n                     (all scopes, 90 days; shown this once; make narrower ones: fastshop apikey add)\n", key)
	}
	return nil
}

// firstKey makes a key with all scopes when there is none at all, so that a newcomer can begin. There is no default
// key: this one is random and known only to who started the program.
func firstKey(k *httpapi.Keyring) (string, error) {
	if len(k.Keys()) > 0 {
		return "", nil
	}
	text, _, err := k.Add(httpapi.Key{Name: "first", Scopes: httpapi.Scopes(), ExpiresAt: time.Now().Add(90 * 24 * time.Hour)})
	return text, err
}
