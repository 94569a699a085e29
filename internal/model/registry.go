package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var (
	// ErrUnknown is wrapped by the error for a version that a registry does not have.
	ErrUnknown = errors.New("unknown model")
	// ErrRegistry is wrapped by the error for a folder that is no registry, or a damaged one.
	ErrRegistry = errors.New("invalid model registry")
)

// Role is what a model does.
type Role string

// The roles.
const (
	Live   Role = "live"   // its points count
	Shadow Role = "shadow" // its points are recorded
)

// Registry is a folder of model files, one for each version, and of what each of them is used as. A change is durable
// when its method returns. One process at a time may change it; a server reads it when it starts.
type Registry struct{ dir string }

// Open opens a folder, which need not be there yet.
func Open(dir string) *Registry { return &Registry{dir} }

// Step is one change of roles. The latest one for a role is in force.
type Step struct {
	At      time.Time `json:"at"`
	Role    Role      `json:"role"`
	Version string    `json:"version"` // "" for none
}

// stateFile holds the steps, the oldest first.
const stateFile = "roles.json"

// Steps are all changes of roles, the oldest first.
func (r *Registry) Steps() ([]Step, error) {
	data, err := os.ReadFile(filepath.Join(r.dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read roles of models: %w", err)
	}
	var steps []Step
	if err := json.Unmarshal(data, &steps); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRegistry, stateFile, err)
	}
	return steps, nil
}

// InRole is the version that has a role, or "".
func (r *Registry) InRole(role Role) (version string, err error) {
	steps, err := r.Steps()
	for _, s := range steps {
		if s.Role == role {
			version = s.Version
		}
	}
	return version, err
}

// Assign gives a role to a version, which is in the registry, or to none. Who becomes live ceases to be the shadow.
func (r *Registry) Assign(role Role, version string, now time.Time) error {
	if version != "" {
		if _, err := r.Load(version); err != nil {
			return err
		}
	}
	steps, err := r.Steps()
	if err != nil {
		return err
	}
	shadow, err := r.InRole(Shadow)
	if err != nil {
		return err
	}
	now = now.UTC().Truncate(time.Second)
	steps = append(steps, Step{now, role, version})
	if role == Live && version != "" && shadow == version {
		steps = append(steps, Step{now, Shadow, ""})
	}
	data, err := json.MarshalIndent(steps, "", "  ")
	if err != nil {
		return fmt.Errorf("assign model: %w", err)
	}
	return r.put(stateFile, append(data, '\n'))
}

// Rollback makes live what was live before, or none if nothing was, and returns its version.
func (r *Registry) Rollback(now time.Time) (version string, err error) {
	steps, err := r.Steps()
	if err != nil {
		return "", err
	}
	live := make([]string, 0, len(steps)) // a stack: a rollback takes its top away
	for _, s := range steps {
		switch {
		case s.Role != Live:
		case len(live) > 1 && live[len(live)-2] == s.Version, len(live) == 1 && s.Version == "":
			live = live[:len(live)-1]
		default:
			live = append(live, s.Version)
		}
	}
	if len(live) == 0 {
		return "", fmt.Errorf("roll back: %w: no model is live", ErrUnknown)
	}
	if len(live) > 1 {
		version = live[len(live)-2]
	}
	return version, r.Assign(Live, version, now)
}

// Add puts a model into the registry. The same again changes nothing.
func (r *Registry) Add(m *Model) error {
	var text strings.Builder
	if err := m.Write(&text); err != nil {
		return err
	}
	if err := r.put(fileOf(m.Version())+".md", []byte(m.Describe())); err != nil {
		return err
	}
	return r.put(fileOf(m.Version())+".json", []byte(text.String()))
}

// Load reads a version. Its error wraps ErrUnknown, or is that of Read.
func (r *Registry) Load(version string) (*Model, error) {
	f, err := os.Open(filepath.Join(r.dir, filepath.Base(fileOf(version)+".json")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, version)
	}
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	defer f.Close()
	m, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(f.Name()), err)
	}
	if m.Version() != version {
		return nil, fmt.Errorf("%w: %s holds another version", ErrRegistry, filepath.Base(f.Name()))
	}
	return m, nil
}

// Versions are all versions, in the order of their names.
func (r *Registry) Versions() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	var versions []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if i := strings.LastIndexByte(name, '-'); ok && e.Name() != stateFile && i > 0 {
			versions = append(versions, name[:i]+"/"+name[i+1:])
		}
	}
	slices.Sort(versions)
	return versions, nil
}

// fileOf is the name of a version's file without its ending.
func fileOf(version string) string { return strings.ReplaceAll(version, "/", "-") }

// put writes a file so that it is there as a whole, or not at all, whenever the power goes.
func (r *Registry) put(name string, data []byte) (err error) {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("make folder of models: %w", err)
	}
	f, err := os.CreateTemp(r.dir, ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what is left would only be in the way
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(r.dir, name))
	}
	if err == nil {
		err = syncFolder(r.dir)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
