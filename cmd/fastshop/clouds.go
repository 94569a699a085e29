package main

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/fastshop/pipeline/internal/cloud"
)

// clouds loads the configuration of each region and endpoint once, when a place first needs it: a program without places
// in the cloud looks for no credentials.
type clouds struct {
	mu     sync.Mutex
	loaded map[cloud.Options]aws.Config
}

func (c *clouds) config(ctx context.Context, o cloud.Options) (aws.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.loaded[o]; ok {
		return have, nil
	}
	loaded, err := cloud.Load(ctx, o)
	if err != nil {
		return loaded, err
	}
	if c.loaded == nil {
		c.loaded = map[cloud.Options]aws.Config{}
	}
	c.loaded[o] = loaded
	return loaded, nil
}
