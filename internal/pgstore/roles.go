package pgstore

import (
	"context"
	_ "embed" // roles.sql and grants.sql
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The roles of a deployment; the package comment says who may what.
const (
	IngestRole    = "fastshop_ingest"
	ProcessorRole = "fastshop_processor"
	ConsoleRole   = "fastshop_console"
	PrivacyRole   = "fastshop_privacy"
	MigrateRole   = "fastshop_migrate"
)

//go:embed grants.sql
var grants string

//go:embed roles.sql
var roles string

// EnsureRoles makes the roles of a deployment in the database's server and lets them, and nobody else, connect to the
// database; [Migrate], which is run next and as [MigrateRole], gives them their rights on tables. Options.Config is that
// of the master user. It can be repeated. No role gets a password: where the server knows cloud identities (role
// rds_iam), they are who may come.
//
// It also installs the extension pgaudit if the server has it; a server that is not set up for it stays as it is, and
// Options.Log is told.
func EnsureRoles(ctx context.Context, o Options) error {
	o.defaults()
	config, err := o.connConfig()
	if err != nil {
		return fmt.Errorf("ensure roles: %w", err)
	}
	if o.Password != nil {
		if err := fill(ctx, config, o.Password); err != nil {
			return fmt.Errorf("ensure roles: %w", err)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("ensure roles: %w", unavailable(ctx, err))
	}
	err = pgx.BeginFunc(ctx, conn, func(t pgx.Tx) error {
		_, err := t.Exec(ctx, roles)
		return err
	})
	if err == nil {
		err = ensureAuditing(ctx, conn, &o)
	}
	if err := errors.Join(unavailable(ctx, err), conn.Close(ctx)); err != nil {
		return fmt.Errorf("ensure roles: %w", err)
	}
	return nil
}

// ensureAuditing installs pgaudit where that is possible.
func ensureAuditing(ctx context.Context, conn *pgx.Conn, o *Options) error {
	var offered bool
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgaudit' AND installed_version IS NULL)").Scan(&offered)
	if err != nil || !offered {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS pgaudit")
	var server *pgconn.PgError
	if errors.As(err, &server) {
		o.Log.WarnContext(ctx, "extension pgaudit is not installed", "error", serverError{server}.Error())
		return nil
	}
	return err
}
