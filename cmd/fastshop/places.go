package main

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// places are where each part lives. Every part has an embedded default below the data and key folders, and a place in
// the cloud; any mixture works.
type places struct {
	DataDir string `help:"Folder of the embedded stream and store. One process at a time." default:"fastshop-data" type:"path" group:"Places"`
	KeysDir string `help:"Folder of the embedded keys, beside and never inside the data folder; its name with -keys behind it if empty. Back it up apart from the data." type:"path" placeholder:"DIR" group:"Places"`

	Store       string `help:"Where decisions are stored: sqlite: (in the data folder), or postgres://user@host:port/database?sslmode=verify-full&auth=password|iam|secret. See docs/cloud.md." default:"sqlite:" placeholder:"URL" group:"Places"`
	Velocity    string `help:"Where windows are counted: memory: (of this process), or redis://host:port?shape=single|replicated|cluster; rediss:// for TLS." default:"memory:" placeholder:"URL" group:"Places"`
	Stream      string `help:"Where accepted transactions wait: sqlite: (in the data folder), or kinesis://stream?region=." default:"sqlite:" placeholder:"URL" group:"Places"`
	Keys        string `help:"Where customers' wrapped keys are: sqlite: (in the key folder), or dynamodb://table?region=." default:"sqlite:" placeholder:"URL" group:"Places"`
	KEK         string `name:"kek" help:"What wraps the personal-data keys: file: (in the key folder), or awskms:///ARN." default:"file:" placeholder:"URL" group:"Places"`
	TokenKEK    string `name:"token-kek" help:"What wraps the token keys: file: (in the key folder), or awskms:///ARN. Another key than --kek, so that one can be stopped without the other." default:"file:" placeholder:"URL" group:"Places"`
	Environment string `help:"Name of the deployment: keys are bound to it, so it never changes." default:"local" group:"Places"`
}

// The schemes of each place; the first is the embedded one.
var placeSchemes = map[string][]string{
	"store": {"sqlite", "postgres", "postgresql"}, "velocity": {"memory", "redis", "rediss"}, "stream": {"sqlite", "kinesis"},
	"keys": {"sqlite", "dynamodb"}, "kek": {"file", "awskms"}, "token-kek": {"file", "awskms"},
}

// urls are the places by the name of their flag.
func (p *places) urls() map[string]*string {
	return map[string]*string{"store": &p.Store, "velocity": &p.Velocity, "stream": &p.Stream, "keys": &p.Keys, "kek": &p.KEK, "token-kek": &p.TokenKEK}
}

// validate fills in what is empty and refuses what names no place. Values are not repeated: they may hold a password.
func (p *places) validate() error {
	var faults []error
	urls := p.urls()
	for _, name := range sortedKeys(urls) {
		value, schemes := urls[name], placeSchemes[name]
		if *value == "" {
			*value = schemes[0] + ":"
		}
		scheme, rest, ok := strings.Cut(*value, ":")
		switch {
		case !ok || !slices.Contains(schemes, scheme):
			faults = append(faults, fmt.Errorf("--%s must begin with %s", name, strings.Join(schemes, ":, ")+":"))
		case scheme == schemes[0] && rest != "":
			faults = append(faults, fmt.Errorf("--%s %s: takes nothing behind the colon: its folder is set by --data-dir and --keys-dir", name, scheme))
		case scheme != schemes[0]:
			if _, err := url.Parse(*value); err != nil {
				faults = append(faults, fmt.Errorf("--%s is no URL", name))
			}
		}
	}
	if p.Environment == "" || len(p.Environment) > 64 {
		faults = append(faults, errors.New("--environment must be 1 to 64 characters"))
	}
	if (p.keysEmbedded() || p.kekEmbedded() || p.tokenKEKEmbedded()) && within(keysBeside(p.DataDir, p.KeysDir), p.DataDir) {
		faults = append(faults, errors.New("--keys-dir must not be inside --data-dir: a copy of the data would hold the keys to it"))
	}
	return errors.Join(faults...)
}

// within reports whether a folder is another or somewhere inside it.
func within(dir, outer string) bool {
	dir, outer = filepath.Clean(dir), filepath.Clean(outer)
	return dir == outer || strings.HasPrefix(dir, outer+string(filepath.Separator))
}

// embeddedPlaces are those of a program that needs nothing but two folders.
func embeddedPlaces(dataDir, keysDir string) places {
	return places{DataDir: dataDir, KeysDir: keysBeside(dataDir, keysDir), Environment: "local",
		Store: "sqlite:", Velocity: "memory:", Stream: "sqlite:", Keys: "sqlite:", KEK: "file:", TokenKEK: "file:"}
}

// scheme is what a place's URL begins with.
func scheme(place string) string {
	s, _, _ := strings.Cut(place, ":")
	return s
}

func embedded(name, place string) bool { return place == "" || scheme(place) == placeSchemes[name][0] }

func (p *places) storeEmbedded() bool    { return embedded("store", p.Store) }
func (p *places) velocityEmbedded() bool { return embedded("velocity", p.Velocity) }
func (p *places) streamEmbedded() bool   { return embedded("stream", p.Stream) }
func (p *places) keysEmbedded() bool     { return embedded("keys", p.Keys) }
func (p *places) kekEmbedded() bool      { return embedded("kek", p.KEK) }
func (p *places) tokenKEKEmbedded() bool { return embedded("token-kek", p.TokenKEK) }
