package redisvelocity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

func TestParseURL(t *testing.T) {
	u, err := redisvelocity.ParseURL("rediss://redis-app-golden@clustercfg.redis-golden.b5fb0f.use1.cache.amazonaws.com:6380?shape=cluster&auth=iam&group=redis-golden&region=us-east-1&prefix=fs:")
	if err != nil {
		t.Fatal(err)
	}
	if u.Addresses[0] != "clustercfg.redis-golden.b5fb0f.use1.cache.amazonaws.com:6380" || u.Shape != redisvelocity.Cluster ||
		u.TLS == nil || u.TLS.ServerName != "clustercfg.redis-golden.b5fb0f.use1.cache.amazonaws.com" || u.Prefix != "fs:" ||
		u.Username != "redis-app-golden" || !u.IAM || u.Group != "redis-golden" || u.Region != "us-east-1" {
		t.Errorf("%+v", u)
	}
	u, err = redisvelocity.ParseURL("redis://:s3cret@localhost")
	if err != nil || u.Addresses[0] != "localhost:6379" || u.Shape != redisvelocity.Single || u.TLS != nil || u.Password != "s3cret" || u.IAM {
		t.Errorf("%+v, %v", u, err)
	}
	for _, text := range []string{
		"", "http://host", "redis://", "redis://:s3cret@host:port", "redis://:s3cret@host/1", "redis://:s3cret@host?shape=round",
		"redis://:s3cret@host?color=red", "redis://:s3cret@host?prefix=a&prefix=b", "redis://s3cret@host?auth=iam&group=g&region=r",
		"rediss://s3cret@host?auth=iam&region=r", "rediss://host?auth=iam&group=g&region=r", "rediss://s3cret@host?auth=basic",
		"redis://:s3cret@host?%zz", "redis://:s3cret@host#x",
	} {
		_, err := redisvelocity.ParseURL(text)
		if !errors.Is(err, redisvelocity.ErrURL) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	o := redisvelocity.Options{}
	if _, err := redisvelocity.New(o); err == nil {
		t.Error("windows without anything are made")
	}
}
