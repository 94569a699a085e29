package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/httpapi"
)

type apikeyCommand struct {
	Add    apikeyAdd    `cmd:"" help:"Make a key. It is printed once; only its hash is kept."`
	List   apikeyList   `cmd:"" help:"List keys, without their secrets."`
	Revoke apikeyRevoke `cmd:"" help:"Revoke a key. A running server notices within a second."`
}

// keyringAt is where a command finds the keys.
type keyringAt struct {
	DataDir string `help:"Folder of stream and store." default:"fastshop-data" type:"path"`
}

func (k *keyringAt) open() (*httpapi.Keyring, error) {
	return httpapi.LoadKeyring(filepath.Join(k.DataDir, keyringAPI), time.Now)
}

type apikeyAdd struct {
	keyringAt
	Name   string        `arg:"" help:"Who will use it, such as checkout. No person's name."`
	Scopes []string      `help:"What it may do: ingest, decide, read, label, lists, admin." required:"" short:"s"`
	Valid  time.Duration `help:"How long it is valid." default:"2160h"`
	Rate   float64       `help:"Transactions a second; 0 leaves the server's own limit."`
	JSON   bool          `help:"Print JSON."`
}

func (c *apikeyAdd) Run(io streams) error {
	var scopes []httpapi.Scope
	for _, s := range c.Scopes {
		if !slices.Contains(httpapi.Scopes(), httpapi.Scope(s)) {
			return fmt.Errorf("make API key: there is no scope %q", s)
		}
		scopes = append(scopes, httpapi.Scope(s))
	}
	ring, err := c.open()
	if err != nil {
		return err
	}
	text, key, err := ring.Add(httpapi.Key{Name: c.Name, Scopes: scopes, Rate: c.Rate, ExpiresAt: time.Now().Add(c.Valid)})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"id": key.ID, "api_key": text, "expires_at": key.ExpiresAt})
	}
	fmt.Fprintln(io.out, text)
	fmt.Fprintf(io.err, "key %s is valid until %s; it will not be shown again\n", key.ID, key.ExpiresAt.Format(time.DateOnly))
	return nil
}

type apikeyList struct {
	keyringAt
	JSON bool `help:"Print JSON."`
}

func (c *apikeyList) Run(io streams) error {
	ring, err := c.open()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, ring.Keys())
	}
	for _, k := range ring.Keys() {
		var scopes []string
		for _, s := range k.Scopes {
			scopes = append(scopes, string(s))
		}
		state := "until " + k.ExpiresAt.Format(time.DateOnly)
		if !k.RevokedAt.IsZero() {
			state = "revoked " + k.RevokedAt.Format(time.DateOnly)
		}
		fmt.Fprintf(io.out, "%-9s %-20s %-20s %s\n", k.ID, k.Name, state, strings.Join(scopes, ","))
	}
	return nil
}

type apikeyRevoke struct {
	keyringAt
	ID string `arg:"" help:"Id of the key, as fastshop apikey list shows it."`
}

func (c *apikeyRevoke) Run() error {
	ring, err := c.open()
	if err != nil {
		return err
	}
	return ring.Revoke(c.ID)
}
