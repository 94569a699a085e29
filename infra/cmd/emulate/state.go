package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fastshop/pipeline/infra/emulator"
)

// The names in a state folder.
const (
	emulatorName = "emulator.json" // a host
	logName      = "emulator.log"  // what an emulator of our own printed
	stacksName   = "stacks"        // a folder for each stack, by its suffix
)

// errNoState is wrapped by what a command says that finds nothing deployed.
var errNoState = errors.New("nothing is deployed from this state")

// host is the emulator that all stacks of a state are in.
type host struct {
	Endpoint string `json:"endpoint"`
	// PID is the process that keeps an emulator of our own; 0 for one that was given.
	PID int `json:"pid,omitempty"`
	// Before is what was in it when the state began, such as the default network of AWS.
	Before []emulator.Item `json:"before"`
}

func readHost(state string) (host, error) {
	var h host
	content, err := os.ReadFile(filepath.Join(state, emulatorName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return h, fmt.Errorf("%w: %s has no %s; run emulate up", errNoState, state, emulatorName)
	case err != nil:
		return h, fmt.Errorf("read the state: %w", err)
	}
	if err := json.Unmarshal(content, &h); err != nil || h.Endpoint == "" {
		return h, fmt.Errorf("read the state: %s is damaged; remove %s to begin anew",
			filepath.Join(state, emulatorName), state)
	}
	return h, nil
}

// writeHost claims the state for an emulator. The error is fs.ErrExist when another run was faster.
func writeHost(state string, h host) error {
	content, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	// A finished file is linked into place, so that nobody reads half of one and only one run wins.
	temp, err := os.CreateTemp(state, emulatorName+".*")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	_, err = temp.Write(append(content, '\n'))
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Link(temp.Name(), filepath.Join(state, emulatorName))
	}
	if err = errors.Join(err, os.Remove(temp.Name())); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}

// suffixes are the stacks of a state, sorted.
func suffixes(state string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(state, stacksName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, nil
}

// removeHost forgets the emulator, and removes the state folder unless something else is in it.
func removeHost(state string) error {
	for _, name := range []string{emulatorName, logName, stacksName} {
		if err := os.Remove(filepath.Join(state, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the state: %w", err)
		}
	}
	_ = os.Remove(state) // refused when there are files that are not ours
	return nil
}
