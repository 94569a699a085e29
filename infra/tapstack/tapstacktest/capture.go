package tapstacktest

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Resource is one registration as the engine would have seen it.
type Resource struct {
	// Type is the token, such as aws:kinesis/stream:Stream, and Name the logical name.
	Type, Name string
	// Custom is false for components.
	Custom bool
	// ID is what AWS answered; empty for components and in a preview.
	ID string
	// Inputs and Outputs are plain: string, float64, bool, []any, map[string]any. Assets and archives are their paths, resources
	// their URNs. Unknown values are absent.
	Inputs, Outputs map[string]any
	// Secrets are the paths of the inputs that were marked secret, such as environment.variables.TOKEN.
	Secrets []string
	// Parent and Provider are logical names; empty if there is none.
	Parent, Provider string
	// Dependencies are the logical names of everything this resource waits for, stated or through an input.
	Dependencies []string
	// Protect, RetainOnDelete, DeleteBeforeReplace, IgnoreChanges and ReplaceOnChanges are the resource options of these names.
	Protect, RetainOnDelete, DeleteBeforeReplace bool
	IgnoreChanges, ReplaceOnChanges              []string
	// CreateTimeout, UpdateTimeout and DeleteTimeout are the custom timeouts; 0 leaves the provider's own.
	CreateTimeout, UpdateTimeout, DeleteTimeout time.Duration
}

// Input is the value at a path of property names and list indices, such as vpcConfig.subnetIds.0; nil if there is none.
func (r *Resource) Input(path string) any { return at(r.Inputs, path) }

// Output is the value at a path of the outputs; nil if there is none.
func (r *Resource) Output(path string) any { return at(r.Outputs, path) }

// Text is the input at the path if it is a string, else empty.
func (r *Resource) Text(path string) string {
	text, _ := r.Input(path).(string)
	return text
}

// List is the input at the path if it is a list, else empty.
func (r *Resource) List(path string) []any {
	list, _ := r.Input(path).([]any)
	return list
}

// DependsOn reports whether the resource waits for the one of this logical name.
func (r *Resource) DependsOn(name string) bool { return slices.Contains(r.Dependencies, name) }

// at walks down a path.
func at(value any, path string) any {
	if path == "" {
		return value
	}
	step, rest, _ := strings.Cut(path, ".")
	switch v := value.(type) {
	case map[string]any:
		next, ok := v[step]
		if !ok {
			return nil
		}
		return at(next, rest)
	case []any:
		index, err := strconv.Atoi(step)
		if err != nil || index < 0 || index >= len(v) {
			return nil
		}
		return at(v[index], rest)
	}
	return nil
}

// Invoke is one call of a provider function.
type Invoke struct {
	Token string
	Args  map[string]any
}

// Capture is everything that a run registered, by type and then name.
type Capture struct {
	// Resources are in order of type, then name: registration is concurrent and has none.
	Resources []*Resource
	// Outputs are what the program gave to Export, OutputSecrets the paths of the secret ones.
	Outputs       map[string]any
	OutputSecrets []string
	// Invokes are in order of their tokens.
	Invokes []Invoke
}

// All is every resource.
func (c *Capture) All() []*Resource { return c.Resources }

// OfType is every resource of the token.
func (c *Capture) OfType(token string) []*Resource {
	var found []*Resource
	for _, r := range c.Resources {
		if r.Type == token {
			found = append(found, r)
		}
	}
	return found
}

// One is the only resource of the token; nil if there is none or more than one.
func (c *Capture) One(token string) *Resource {
	if found := c.OfType(token); len(found) == 1 {
		return found[0]
	}
	return nil
}

// Named is the resource of the logical name; nil if there is none or more than one.
func (c *Capture) Named(name string) *Resource {
	var found *Resource
	for _, r := range c.Resources {
		if r.Name != name {
			continue
		}
		if found != nil {
			return nil
		}
		found = r
	}
	return found
}

// Get is the resource of the token and the logical name; nil if there is none.
func (c *Capture) Get(token, name string) *Resource {
	for _, r := range c.Resources {
		if r.Type == token && r.Name == name {
			return r
		}
	}
	return nil
}

func (c *Capture) sort() {
	slices.SortFunc(c.Resources, func(a, b *Resource) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	slices.SortStableFunc(c.Invokes, func(a, b Invoke) int { return cmp.Compare(a.Token, b.Token) })
}

// fill copies the resource options of a registration.
func (r *Resource) fill(rpc *pulumirpc.RegisterResourceRequest) error {
	r.Parent = nameOf(rpc.GetParent())
	r.Protect, r.RetainOnDelete, r.DeleteBeforeReplace = rpc.GetProtect(), rpc.GetRetainOnDelete(), rpc.GetDeleteBeforeReplace()
	r.IgnoreChanges, r.ReplaceOnChanges = rpc.GetIgnoreChanges(), rpc.GetReplaceOnChanges()
	for _, urn := range rpc.GetDependencies() {
		r.Dependencies = append(r.Dependencies, nameOf(urn))
	}
	slices.Sort(r.Dependencies)
	r.Dependencies = slices.Compact(r.Dependencies)
	// A provider reference is the provider's URN, two colons, and its id.
	if urn, _, ok := cutLast(rpc.GetProvider(), "::"); ok {
		r.Provider = nameOf(urn)
	}
	timeouts := rpc.GetCustomTimeouts()
	var err [3]error
	r.CreateTimeout, err[0] = duration(timeouts.GetCreate())
	r.UpdateTimeout, err[1] = duration(timeouts.GetUpdate())
	r.DeleteTimeout, err[2] = duration(timeouts.GetDelete())
	return errors.Join(err[:]...)
}

// duration reads a custom timeout; an empty one is 0.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}

// nameOf is the logical name at the end of a URN.
func nameOf(urn string) string {
	if _, name, ok := cutLast(urn, "::"); ok {
		return name
	}
	return ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// plain turns a property map into plain values and lists the paths of the secrets in it.
func plain(properties resource.PropertyMap) (values map[string]any, secrets []string) {
	values, _ = plainValue(resource.NewProperty(properties), "", &secrets).(map[string]any)
	slices.Sort(secrets)
	return values, secrets
}

// plainValue is nil for an unknown value.
func plainValue(v resource.PropertyValue, path string, secrets *[]string) any {
	switch {
	case v.IsSecret():
		*secrets = append(*secrets, path)
		return plainValue(v.SecretValue().Element, path, secrets)
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for i, element := range v.ArrayValue() {
			list = append(list, plainValue(element, join(path, strconv.Itoa(i)), secrets))
		}
		return list
	case v.IsObject():
		object := make(map[string]any, len(v.ObjectValue()))
		for key, element := range v.ObjectValue() {
			if value := plainValue(element, join(path, string(key)), secrets); value != nil {
				object[string(key)] = value
			}
		}
		return object
	case v.IsAsset():
		return v.AssetValue().Path
	case v.IsArchive():
		return v.ArchiveValue().Path
	case v.IsResourceReference():
		return string(v.ResourceReferenceValue().URN)
	case v.IsString(), v.IsNumber(), v.IsBool():
		return v.V
	}
	return nil
}

func join(path, step string) string {
	if path == "" {
		return step
	}
	return path + "." + step
}
