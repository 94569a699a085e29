package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// notYet is what is said of an embedded part that no start has made.
const notYet = "not there yet; the first start makes it"

// embeddedFile looks at a file of an embedded part without opening it: another process may be using it.
func embeddedFile(dir, name string) (string, error) {
	info, err := os.Stat(filepath.Join(dir, name))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return notYet, nil
	case err != nil:
		return "", fmt.Errorf("look at %s: %w", name, err)
	case !info.Mode().IsRegular():
		return "", withHint(fmt.Errorf("%s is no file", name), "move it away, or choose other folders")
	}
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		return "", withHint(fmt.Errorf("open %s: %w", name, err), "the user of this process must own the folder and what is in it")
	}
	return fmt.Sprintf("%s, %s KiB", name, count(info.Size()>>10)), file.Close()
}

func (e *examiner) lookAtStore(ctx context.Context) (string, error) {
	if e.storeEmbedded() {
		return embeddedFile(e.DataDir, storeFile)
	}
	o := opening{places: &e.places, now: time.Now, crash: func(string) {}, cloud: &e.clouds}
	config, password, err := o.database(ctx, e.Store)
	if err != nil {
		return "", err
	}
	options := pgstore.Options{Config: config, Password: password}
	schema, err := pgstore.Version(ctx, options)
	if err != nil {
		return "", withHint(err, "check host, port, database, user and TLS of --store, and whether the server lets this machine in")
	}
	s, err := openStore(ctx, o, io.Discard)
	if err != nil {
		return "", withHint(err, "fastshop migrate brings the schema up to date, and with --master-store grants the roles their rights")
	}
	totals, err := s.Totals(ctx)
	if err == nil {
		err = s.Ready(ctx)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return "", withHint(err, "the role may lack rights: fastshop migrate --master-store grants them")
	}
	return fmt.Sprintf("schema version %d as %s, %s transactions, %s dead letters open", schema, config.User(), count(totals.Transactions()), count(totals.DeadLetters)), nil
}

func (e *examiner) lookAtWindows(ctx context.Context) (string, error) {
	if e.velocityEmbedded() {
		return "in the memory of each process", nil
	}
	b := e.backends()
	var err error
	if b.judging, err = e.judges.open(e.DataDir); err != nil {
		return "", err
	}
	plan, _, err := b.plan()
	if err != nil {
		return "", err
	}
	server, err := cacheServer(ctx, e.Velocity, &e.clouds)
	if err != nil {
		return "", err
	}
	return checkWindows(ctx, server, plan, b.windowOptions)
}

// probeID is the id of an event that is read and never counted.
const probeID = "fastshop-doctor"

func checkWindows(ctx context.Context, server redisvelocity.Server, plan velocity.Plan, o velocity.Options) (string, error) {
	w, err := redisvelocity.New(redisvelocity.Options{Server: server, Plan: plan, Bounds: o, Now: time.Now, Random: rand.Reader, Log: quiet()})
	if err != nil {
		return "", err
	}
	defer w.Close()
	report, err := w.Check(ctx)
	if err == nil {
		err = w.Connect(ctx) // and look whether something is lost
	}
	if err != nil {
		return "", withHint(err, "check host, port, user and shape of --velocity; decisions go on without windows, marked features_degraded")
	}
	if len(report.Problems) > 0 {
		return "", fmt.Errorf("%s: %s", report.Server, strings.Join(report.Problems, "; "))
	}
	if w.Health().Lost {
		return "", withHint(errors.New("counted events are missing, or nothing was ever counted"), "fastshop windows heal restores them from the store; fastshop serve does so by itself")
	}
	return fmt.Sprintf("%s, %d nodes, maxmemory-policy %s", report.Server, report.Nodes, cmp.Or(report.Policy, "not told")), nil
}

func (e *examiner) lookAtStream(ctx context.Context) (string, error) {
	if e.streamEmbedded() {
		return embeddedFile(e.DataDir, streamFile)
	}
	b := e.backends()
	if err := b.openStream(ctx); err != nil {
		return "", withHint(err, "check name and region of --stream; the role needs kinesis:DescribeStreamSummary")
	}
	defer func() { _ = b.Close() }() // nothing was appended
	partitions, err := b.stream.Partitions(ctx)
	if err != nil {
		return "", withHint(err, "listing shards needs kinesis:ListShards; ingest alone does without")
	}
	if len(partitions) > 0 {
		if _, err := b.stream.Read(ctx, partitions[len(partitions)-1], "", 1); err != nil {
			return "", withHint(err, "reading needs kinesis:GetShardIterator and kinesis:GetRecords")
		}
	}
	return fmt.Sprintf("%d shards", len(partitions)), nil
}

func (e *examiner) lookAtKeys(ctx context.Context) (string, error) {
	if e.keysEmbedded() {
		return embeddedFile(keysBeside(e.DataDir, e.KeysDir), keysFile)
	}
	b := e.backends()
	keys, err := b.openKeys(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = b.Close() }() // nothing was written
	if c, ok := keys.(interface{ Check(context.Context) error }); ok {
		if err := c.Check(ctx); err != nil {
			return "", withHint(err, "the table needs the keys pk and sk (strings), and the role the rights that infra/ gives")
		}
	}
	erased, err := keys.Tombstones(ctx, 0, 1)
	if err != nil {
		return "", err
	}
	if len(erased) == 0 {
		return "nobody was erased yet", nil
	}
	return "readable; customers were erased", nil
}

// lookAtKEK wraps a few bytes and unwraps them again.
func (e *examiner) lookAtKEK(ctx context.Context, place, file string, purpose vault.Purpose) (string, error) {
	if embedded("kek", place) {
		return embeddedFile(keysBeside(e.DataDir, e.KeysDir), file)
	}
	w, err := e.backends().wrapper(ctx, place, file)
	if err != nil {
		return "", err
	}
	c := vault.WrapContext{App: "fastshop", Env: e.Environment, Purpose: purpose, Epoch: "doctor"}
	probe := []byte(probeID)
	wrapped, err := w.Wrap(ctx, c, probe)
	if err != nil {
		return "", withHint(err, "the role needs kms:GenerateDataKey on this key for app=fastshop, env as --environment, and this purpose")
	}
	back, err := w.Unwrap(ctx, c, wrapped)
	if err != nil {
		return "", withHint(err, "the role needs kms:Decrypt on this key for app=fastshop, env as --environment, and this purpose")
	}
	if string(back) != probeID {
		return "", errors.New("what was wrapped did not come back")
	}
	return "wraps and unwraps for environment " + e.Environment, nil
}
