package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fastshop/pipeline/internal/load"
)

// child is a server in a process of its own.
type child struct {
	URL     string `json:"url"`
	Metrics string `json:"metrics"`
	Key     string `json:"api_key"`
	process *exec.Cmd
}

// startChild starts this very program as a server on free ports, with its data below dir.
func startChild(ctx context.Context, dir string, places ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	c := &child{}
	c.process = exec.Command(self, append([]string{"serve", "--json", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
		"--data-dir", filepath.Join(dir, "data"), "--keys-dir", filepath.Join(dir, "keys"), "--page", "off", "--log-level", "warn",
		"--key-rate", "1000000", "--key-burst", "1000000", "--drain-time", "5m"}, places...)...)
	c.process.Stderr = os.Stderr
	out, err := c.process.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	if err := c.process.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, c)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the server's address: %w", err), c.stop())
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := load.NewClient(c.URL, c.Key, 1).WaitReady(ready); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// stop asks the server to finish and waits for it.
func (c *child) stop() error {
	if err := c.process.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop server: %w", err)
	}
	if err := c.process.Wait(); err != nil {
		return fmt.Errorf("stop server: %w", err)
	}
	return nil
}

// stored waits until the server counts n stored decisions. It gives up when their number has not grown for a minute.
func (c *child) stored(ctx context.Context, n int64) error {
	last, since := int64(-1), time.Now()
	for {
		have, err := c.counted(ctx, "fastshop_decisions_total")
		if err != nil || have >= n {
			return err
		}
		if have > last {
			last, since = have, time.Now()
		} else if time.Since(since) > time.Minute {
			return fmt.Errorf("wait for decisions: the server has stored %d of %d and stores no more", have, n)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for decisions: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// counted adds up the series of a counter among the server's metrics.
func (c *child) counted(ctx context.Context, name string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Metrics, nil)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer answer.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok && (rest[0] == '{' || rest[0] == ' ') {
			value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			if err != nil {
				return 0, fmt.Errorf("read metric %s: %w", name, err)
			}
			sum += value
		}
	}
	return int64(sum), lines.Err()
}

// memory returns the largest and the current resident size of the server, in MiB; 0 where the system does not tell.
func (c *child) memory() (peak, now float64) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(c.process.Process.Pid) + "/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kib, _ := strconv.ParseFloat(fields[1], 64) // 0 if the system writes something else
		switch fields[0] {
		case "VmHWM:":
			peak = kib / 1024
		case "VmRSS:":
			now = kib / 1024
		}
	}
	return peak, now
}
