package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/stream"
)

// TestMain is the test, or a function of Lambda when a test starts this program as one.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	os.Exit(child())
}

// child is a program as cmd/fastshop is one.
func child() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	name, err := Which("", os.Getenv("_HANDLER"))
	if err == nil {
		err = Start(ctx, openChild(name), StartOptions{RuntimeAPI: os.Getenv("AWS_LAMBDA_RUNTIME_API"), OpenTime: time.Second, Log: log})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func openChild(name Name) Open {
	return func(ctx context.Context) (any, func() error, error) {
		closeAll := func() error {
			fmt.Fprintln(os.Stderr, "child closed")
			switch os.Getenv("CHILD_CLOSE") {
			case "fails":
				return errors.New("cannot close")
			case "hangs":
				time.Sleep(time.Hour)
			}
			return nil
		}
		switch os.Getenv("CHILD_OPEN") {
		case "fails":
			return nil, nil, errors.New("connect to store: postgres://master:hunter2@db refused")
		case "panics":
			panic("hunter2")
		case "large":
			return func() (string, error) { return strings.Repeat("x", 6<<20), nil }, closeAll, nil
		case "hangs":
			<-ctx.Done()
			return nil, nil, fmt.Errorf("connect to cache: %w", ctx.Err())
		}
		switch name {
		case Ingest:
			return HTTP(http.HandlerFunc(serveChild), HTTPOptions{}), closeAll, nil
		case Process:
			return Stream(carryChild, lambdatest.Records, Options{}), closeAll, nil
		}
		return Admin(runChild, Options{}), closeAll, nil
	}
}

func serveChild(w http.ResponseWriter, r *http.Request) {
	caller, _ := CallerFrom(r.Context())
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s by %s of %d bytes %v", r.Method, r.URL, caller.Principal(), len(body), err)
}

// runChild is told by the command what to do.
func runChild(ctx context.Context, command []string, out io.Writer) error {
	switch command[0] {
	case "pid":
		fmt.Fprint(out, os.Getpid())
	case "environment":
		fmt.Fprint(out, strings.Join(os.Environ(), "\n"))
	case "deadline":
		deadline, _ := ctx.Deadline()
		fmt.Fprint(out, time.Until(deadline).Round(time.Second))
	case "fail":
		return errors.New("no such table")
	case "exit":
		os.Exit(7)
	case "hang": // whatever anybody says
		fmt.Fprintln(os.Stderr, "hanging")
		time.Sleep(time.Hour)
	case "nap":
		fmt.Fprintln(os.Stderr, "napping")
		time.Sleep(100 * time.Millisecond)
		fmt.Fprint(out, "woke up")
	case "fill":
		_, err := out.Write(make([]byte, 7<<20))
		return err
	}
	return nil
}

// carryChild writes each record to a file of its shard, and does as the record says.
func carryChild(_ context.Context, p stream.Partition, records []stream.Record) (int, error) {
	f, err := os.OpenFile(filepath.Join(os.Getenv("CHILD_DIR"), string(p)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for i := range records {
		data := string(records[i].Data)
		switch {
		case strings.HasPrefix(data, "poison"):
			return i, errors.New("poisonous")
		case strings.HasPrefix(data, "deadly"):
			os.Exit(9)
		case strings.HasPrefix(data, "slow"):
			fmt.Fprintln(os.Stderr, "slow record")
			time.Sleep(20 * time.Millisecond)
		}
		if _, err := fmt.Fprintln(f, data); err != nil {
			return i, err
		}
	}
	return len(records), nil
}
