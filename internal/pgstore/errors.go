package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
)

// serverError is an error of the server without anything of the data that it was about.
type serverError struct{ *pgconn.PgError }

// Error implements error.
func (e serverError) Error() string {
	if aboutData(e.PgError) {
		return fmt.Sprintf("PostgreSQL refused the data (SQLSTATE %s, constraint %q)", e.Code, e.ConstraintName)
	}
	return fmt.Sprintf("PostgreSQL: %s (SQLSTATE %s)", e.Message, e.Code)
}

// Unwrap gives the error as it came.
func (e serverError) Unwrap() error { return e.PgError }

// aboutData reports whether the error is about what was sent: class 22 (data exception) or 23 (integrity constraint).
func aboutData(e *pgconn.PgError) bool {
	return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23")
}

// safe is err without data, user names and passwords.
func safe(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return serverError{server}
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("connect to PostgreSQL: %w", errors.Unwrap(connect))
	}
	return err
}

// unavailable wraps the errors that may go away by themselves: all but those about the data that was sent or stored. An
// error after ctx has ended is the caller's own doing, and stays as it is.
func unavailable(ctx context.Context, err error) error {
	var server *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, pipeline.ErrUnavailable), errors.Is(err, ledger.ErrCorrupt), ctx.Err() != nil:
		return err
	case errors.As(err, &server) && aboutData(server):
		return serverError{server}
	}
	return fmt.Errorf("%w: %w", pipeline.ErrUnavailable, safe(err))
}
