package tapstacktest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ErrRefused is wrapped by every registration that AWS, its provider or the engine would refuse.
var ErrRefused = errors.New("refused")

// cloud is the mock monitor. The engine registers resources concurrently.
type cloud struct {
	run   *run
	kinds map[string]kind

	mu      sync.Mutex
	taken   map[string]string // physical name or URN to logical name
	capture *Capture
}

// kind is how AWS names and answers one resource type.
type kind struct {
	// naming is the input that holds the physical name; empty for types that have none.
	naming string
	// check refuses what AWS would refuse; may be nil.
	check func(m *making) error
	// answer is the id and what AWS computes beyond the inputs.
	answer func(m *making) (id string, computed map[string]any)
}

// making is one resource on its way.
type making struct {
	*Resource
	cloud *cloud
	// physical is the name in AWS.
	physical string
}

// NewResource implements pulumi.MockResourceMonitor.
func (c *cloud) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	inputs, secrets := plain(args.Inputs)
	if args.TypeToken == outputsType {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.capture.Outputs, c.capture.OutputSecrets = inputs, secrets
		return "", args.Inputs, nil
	}
	if args.RegisterRPC == nil {
		return "", nil, fmt.Errorf("%w: %s %q is read, and the mocks know no resource that exists already", ErrRefused, args.TypeToken, args.Name)
	}
	r := &Resource{Type: args.TypeToken, Name: args.Name, Custom: args.Custom, Inputs: inputs, Secrets: secrets}
	if err := r.fill(args.RegisterRPC); err != nil {
		return "", nil, fmt.Errorf("read the options of %s %q: %w", r.Type, r.Name, err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	for _, target := range []string{r.Type, r.Name} {
		if err := c.run.failures[target]; err != nil {
			return "", nil, fmt.Errorf("create %s %q: %w", r.Type, r.Name, err)
		}
	}
	if err := c.claim("urn "+r.Parent+" "+r.Type+" "+r.Name, r); err != nil {
		return "", nil, err
	}
	outputs := maps.Clone(args.Inputs)
	if r.Custom {
		computed, err := c.make(r)
		if err != nil {
			return "", nil, err
		}
		maps.Copy(outputs, resource.NewPropertyMapFromMap(computed))
	}
	r.Outputs, _ = plain(outputs)
	c.capture.Resources = append(c.capture.Resources, r)
	return r.ID, outputs, nil
}

// make checks a custom resource and answers what AWS computes; nothing in a preview.
func (c *cloud) make(r *Resource) (map[string]any, error) {
	kind, known := c.kinds[r.Type]
	if !known {
		return nil, fmt.Errorf("%w: the mocks do not know %s (of %q): add it to kinds", ErrRefused, r.Type, r.Name)
	}
	m := &making{Resource: r, cloud: c, physical: r.Name}
	if kind.naming != "" {
		if m.physical = r.Text(kind.naming); m.physical == "" {
			// The bridge names what the program leaves unnamed.
			m.physical = r.Name + "-" + m.hash("autoname", 7)
		}
		if err := c.claim(r.Type+" "+m.physical, r); err != nil {
			return nil, err
		}
	}
	if kind.check != nil {
		if err := kind.check(m); err != nil {
			return nil, fmt.Errorf("%w: %s %q: %w", ErrRefused, r.Type, r.Name, err)
		}
	}
	if c.run.preview {
		return nil, nil
	}
	id, computed := kind.answer(m)
	if computed == nil {
		computed = map[string]any{}
	}
	if kind.naming != "" {
		computed[kind.naming] = m.physical
	}
	r.ID = id
	return computed, nil
}

// claim takes a name that may be taken only once.
func (c *cloud) claim(name string, r *Resource) error {
	if owner, taken := c.taken[name]; taken {
		return fmt.Errorf("%w: %s %q: the name is taken by %q", ErrRefused, r.Type, r.Name, owner)
	}
	c.taken[name] = r.Name
	return nil
}

// find is the captured resource of the type and the physical name; nil if there is none.
func (c *cloud) find(token, physical string) *Resource {
	return c.capture.Get(token, c.taken[token+" "+physical])
}

// hash is n hexadecimal digits (at most 64) that depend on the resource and the purpose.
func (m *making) hash(purpose string, n int) string {
	return hash(n, m.Type, m.Name, purpose)
}

func hash(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:n]
}

// uuid is a UUID of the purpose.
func (m *making) uuid(purpose string) string {
	h := m.hash(purpose, 32)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// arn is an ARN in our account and region.
func arn(service, resource string) string {
	return "arn:aws:" + service + ":" + Region + ":" + Account + ":" + resource
}

// Call implements pulumi.MockResourceMonitor; it answers the provider's functions.
func (c *cloud) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	given, _ := plain(args.Args)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.capture.Invokes = append(c.capture.Invokes, Invoke{Token: args.Token, Args: given})
	if err := c.run.failures[args.Token]; err != nil {
		return nil, fmt.Errorf("call %s: %w", args.Token, err)
	}
	var answer map[string]any
	switch args.Token {
	case "aws:index/getCallerIdentity:getCallerIdentity":
		answer = map[string]any{"id": Account, "accountId": Account, "arn": "arn:aws:iam::" + Account + ":user/deployer", "userId": "AIDA" + strings.ToUpper(hash(17, "deployer"))}
	case "aws:index/getAvailabilityZones:getAvailabilityZones":
		answer = c.run.offer(given)
	case "aws:ec2/getPrefixList:getPrefixList":
		name, _ := given["name"].(string)
		answer = map[string]any{"id": "pl-" + hash(8, name), "name": name, "cidrBlocks": []any{"3.218.180.0/22", "52.94.0.0/22"}}
	default:
		return nil, fmt.Errorf("%w: the mocks do not know the function %s", ErrRefused, args.Token)
	}
	return resource.NewPropertyMapFromMap(answer), nil
}

// zone is an availability zone: its name differs between accounts, its id does not.
type zone struct{ name, id string }

// zones are those of us-east-1, named as in many an account.
func zones() []zone {
	return []zone{
		{"us-east-1a", "use1-az1"}, {"us-east-1b", "use1-az2"}, {"us-east-1c", "use1-az4"},
		{"us-east-1d", "use1-az6"}, {"us-east-1e", "use1-az3"}, {"us-east-1f", "use1-az5"},
	}
}

// offer answers getAvailabilityZones, heeding the excluded names and ids.
func (r *run) offer(given map[string]any) map[string]any {
	excluded := map[any]bool{}
	for _, key := range []string{"excludeNames", "excludeZoneIds"} {
		list, _ := given[key].([]any)
		for _, e := range list {
			excluded[e] = true
		}
	}
	names, ids := []any{}, []any{}
	for _, z := range r.zones {
		if !excluded[z.name] && !excluded[z.id] {
			names, ids = append(names, z.name), append(ids, z.id)
		}
	}
	return map[string]any{"id": Region, "names": names, "zoneIds": ids, "groupNames": []any{Region}}
}
