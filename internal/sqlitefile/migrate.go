package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// ErrNewer is wrapped by the error of an Open that met a schema which this program does not know.
var ErrNewer = errors.New("the file was written by a newer version of this program: start that version, or restore a backup from before the upgrade")

// migrate runs the migrations that the file lacks. The number of the last one is the file's user_version.
func migrate(ctx context.Context, c *Conn, migrations fs.FS) error {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	slices.Sort(names)
	current, err := schemaVersion(c)
	if err != nil {
		return err
	}
	if current > len(names) {
		return fmt.Errorf("schema %d, this program knows %d: %w", current, len(names), ErrNewer)
	}
	for i, name := range names {
		version := i + 1
		number, _, _ := strings.Cut(name, "_")
		if n, err := strconv.Atoi(number); err != nil || n != version {
			return fmt.Errorf("migration %s should have the number %04d", name, version)
		}
		if version <= current {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		sql, err := fs.ReadFile(migrations, name)
		if err != nil {
			return fmt.Errorf("read migration: %w", err)
		}
		if err := apply(c, string(sql), version); err != nil {
			return fmt.Errorf("apply %s: %w", name, err)
		}
	}
	return nil
}

// apply runs one migration and moves user_version in the same transaction.
func apply(c *Conn, sql string, version int) error {
	if err := c.BeginWrite(); err != nil {
		return err
	}
	err := c.Script(sql)
	if err == nil {
		err = c.Script("PRAGMA user_version = " + strconv.Itoa(version))
	}
	if err != nil {
		return errors.Join(err, c.Rollback())
	}
	return c.Commit()
}

func schemaVersion(c *Conn) (version int, err error) {
	err = c.Query("PRAGMA user_version", func(r Row) error {
		version = int(r.Int(0))
		return nil
	})
	return version, err
}
