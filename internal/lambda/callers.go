package lambda

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fastshop/pipeline/internal/httpapi"
)

// Callers are API keys for callers that IAM has let in, beside those that the API knows anyway.
//
// The API asks for a key by the text of a header. [Callers.Handler] writes one for a caller who sent none: a ticket that
// begins with a secret of this process, so that no client can make one, and Authenticate turns it into the caller's key.
// A request that brings a key is judged by that key alone, also when it is wrong: who is refused must learn it, and not
// go on with other rights.
//
// All methods may be called at once.
type Callers struct {
	keys   httpapi.Authenticator
	ticket string
	grants []grant // nil is the default
}

// grant gives the scopes to the principals that the pattern matches.
type grant struct {
	pattern string
	scopes  []httpapi.Scope
}

// DefaultScopes are what a caller may do while nobody has set anything: IAM has decided by method and path already. The
// lists are left out, for a mistake there lets fraud through silently.
func DefaultScopes() []httpapi.Scope {
	return []httpapi.Scope{httpapi.ScopeIngest, httpapi.ScopeDecide, httpapi.ScopeRead, httpapi.ScopeLabel}
}

// ErrCallers is wrapped by what is wrong with a setting of callers.
var ErrCallers = errors.New("callers are not as arn=scope+scope")

// NewCallers reads who may do what: lines, or parts between commas, of a pattern, "=", and scopes with "+" between. A
// pattern is the ARN of a principal in which * stands for any characters and ? for one, but not in the account. It is
// compared with [Caller.Principal]. A caller has the scopes of all patterns that match; with none, it is refused with
// 403. An empty setting gives DefaultScopes to everybody that IAM lets in.
//
// keys knows the API keys proper, or is nil if there are none. A nil random is [rand.Reader].
func NewCallers(setting string, keys httpapi.Authenticator, random io.Reader) (*Callers, error) {
	if random == nil {
		random = rand.Reader
	}
	secret := make([]byte, 32)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("draw ticket of callers: %w", err)
	}
	grants, err := parseGrants(setting)
	if err != nil {
		return nil, err
	}
	return &Callers{keys: keys, ticket: "iam " + hex.EncodeToString(secret) + " ", grants: grants}, nil
}

func parseGrants(setting string) ([]grant, error) {
	var grants []grant
	for entry := range strings.FieldsFuncSeq(setting, func(r rune) bool { return r == '\n' || r == ',' }) {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		g, err := parseGrant(entry)
		if err != nil {
			return nil, fmt.Errorf("read callers: entry %d: %w", len(grants)+1, err)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

func parseGrant(entry string) (grant, error) {
	// An ARN may have "=" in it (a user's name), a scope may not.
	at := strings.LastIndexByte(entry, '=')
	if at < 0 {
		return grant{}, fmt.Errorf("%w: there is no =", ErrCallers)
	}
	pattern := strings.TrimSpace(entry[:at])
	if _, ok := splitARN(pattern); !ok {
		return grant{}, fmt.Errorf("%w: the pattern is no ARN of a principal with its account", ErrCallers)
	}
	g := grant{pattern: principal(pattern)}
	for name := range strings.SplitSeq(entry[at+1:], "+") {
		scope := httpapi.Scope(strings.TrimSpace(name))
		switch {
		case !slices.Contains(httpapi.Scopes(), scope):
			return grant{}, fmt.Errorf("%w: a scope is none of %v", ErrCallers, httpapi.Scopes())
		case slices.Contains(g.scopes, scope):
			return grant{}, fmt.Errorf("%w: a scope occurs twice", ErrCallers)
		}
		g.scopes = append(g.scopes, scope)
	}
	return g, nil
}

// Handler serves requests of callers without a key as those of the key that the caller has. It belongs between [HTTP]
// and the API.
func (c *Callers) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, ok := CallerFrom(r.Context())
		if ok && len(r.Header["X-Api-Key"]) == 0 {
			r = r.WithContext(r.Context()) // a copy: the caller's request is not ours to change
			r.Header = maps.Clone(r.Header)
			r.Header["X-Api-Key"] = []string{c.ticket + caller.Principal()}
		}
		next.ServeHTTP(w, r)
	})
}

// Authenticate implements [httpapi.Authenticator].
func (c *Callers) Authenticate(text string) (httpapi.Key, error) {
	n := len(c.ticket)
	if len(text) > n && subtle.ConstantTimeCompare([]byte(text[:n]), []byte(c.ticket)) == 1 {
		return c.key(text[n:]), nil
	}
	if c.keys == nil {
		return httpapi.Key{}, httpapi.ErrKey
	}
	return c.keys.Authenticate(text)
}

// key is the key of a principal. Its id is the ARN, which is what logs and audits name.
func (c *Callers) key(arn string) httpapi.Key {
	name := arn[strings.LastIndexAny(arn, ":/")+1:]
	return httpapi.Key{ID: arn, Name: name, Scopes: c.scopes(arn)}
}

func (c *Callers) scopes(arn string) []httpapi.Scope {
	if c.grants == nil {
		return DefaultScopes()
	}
	scopes := []httpapi.Scope{}
	for _, g := range c.grants {
		if !matches(g.pattern, arn) {
			continue
		}
		for _, s := range g.scopes {
			if !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	return scopes
}

// matches reports whether the pattern, with * and ?, describes all of the text. It takes time in proportion to the
// product of the lengths at most.
func matches(pattern, text string) bool {
	p, t := 0, 0
	star, resume := -1, 0 // the last * and where the text goes on behind what it stands for
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
