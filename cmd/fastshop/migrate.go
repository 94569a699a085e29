package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/pgstore"
)

type migrateCommand struct {
	Store        string `help:"The PostgreSQL store, postgres://…" placeholder:"URL"`
	MigrateStore string `help:"The same as the role that owns the schema; --store if empty." placeholder:"URL"`
	MasterStore  string `help:"The same as a user who may make roles; empty leaves the roles as they are." placeholder:"URL"`
	JSON         bool   `help:"Print JSON."`
}

func (c *migrateCommand) Help() string {
	return "Safe to run at any time and by several at once. Migrations only go forward; each checks what it made. With --master-store it first makes the roles fastshop_ingest, fastshop_processor, fastshop_console, fastshop_privacy and fastshop_migrate, without passwords; see docs/cloud.md for who may what."
}

// migrated is what a migration did.
type migrated struct {
	From  int64 `json:"from"` // schema version before; 0: none
	To    int64 `json:"to"`
	Roles bool  `json:"roles"` // whether they were looked after
}

func (c *migrateCommand) Run(ctx context.Context, out streams) error {
	p := places{Store: c.Store}
	if c.MigrateStore != "" {
		p.Store = c.MigrateStore
	}
	if p.Store == "" || p.storeEmbedded() {
		return withHint(errors.New("migrate: --store names no PostgreSQL store"), "an embedded store migrates itself when it is opened")
	}
	o := opening{places: &p, now: time.Now, cloud: new(clouds)}
	var done migrated
	if c.MasterStore != "" {
		master, password, err := o.database(ctx, c.MasterStore)
		if err != nil {
			return err
		}
		if err := pgstore.EnsureRoles(ctx, pgstore.Options{Config: master, Password: password}); err != nil {
			return withHint(err, "--master-store needs a user who may make roles: the master user of the instance")
		}
		done.Roles = true
	}
	owner, password, err := o.database(ctx, p.Store)
	if err != nil {
		return err
	}
	if done.From, done.To, err = pgstore.Migrate(ctx, pgstore.Options{Config: owner, Password: password}); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, done)
	}
	fmt.Fprintf(out.out, "schema version %d (was %d)\n", done.To, done.From)
	return nil
}
