package main

import (
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   func(*places)
		fault string // part of the message; empty: none
	}{
		{"all embedded", func(*places) {}, ""},
		{"nothing said", func(p *places) { *p = places{DataDir: "d", Environment: "local"} }, ""},
		{"all in the cloud, keys folder anywhere", func(p *places) {
			p.Store, p.Velocity, p.Stream = "postgres://u@h/d", "rediss://h:6380", "kinesis://s?region=us-east-1"
			p.Keys, p.KEK, p.TokenKEK = "dynamodb://t", "awskms:///arn", "awskms:///arn"
			p.KeysDir = "d/keys"
		}, ""},
		{"mixed", func(p *places) { p.Store = "postgresql://u@h/d" }, ""},
		{"no scheme", func(p *places) { p.Store = "localhost:5432" }, "--store must begin with sqlite:, postgres:, postgresql:"},
		{"a scheme of another part", func(p *places) { p.Velocity = "sqlite:" }, "--velocity must begin with memory:, redis:, rediss:"},
		{"a folder in the place", func(p *places) { p.Stream = "sqlite:/tmp/x" }, "--stream sqlite: takes nothing behind the colon"},
		{"keys inside the data", func(p *places) { p.KeysDir = "d/keys" }, "--keys-dir must not be inside --data-dir"},
		{"a file key inside the data", func(p *places) { p.Keys, p.KeysDir = "dynamodb://t", "d" }, "--keys-dir must not be inside --data-dir"},
		{"no URL", func(p *places) { p.Store = "postgres://u:secret@h:x y/%zz" }, "--store is no URL"},
		{"no environment", func(p *places) { p.Environment = "" }, "--environment must be 1 to 64 characters"},
	} {
		p := embeddedPlaces("d", "k")
		c.set(&p)
		err := p.validate()
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v, want %q", c.name, err, c.fault)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the message repeats the password: %v", c.name, err)
		}
		for name, place := range p.urls() {
			if *place == "" {
				t.Errorf("%s: --%s is still empty", c.name, name)
			}
		}
	}
}
