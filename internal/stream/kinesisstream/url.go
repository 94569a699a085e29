package kinesisstream

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
)

// Target is where a stream is.
type Target struct {
	Name     string
	Region   string // such as us-east-1
	Endpoint string // an http or https URL; empty means that of the region
}

// ErrURL is returned for a URL that names no stream.
var ErrURL = errors.New("want kinesis://NAME?region=REGION[&endpoint=URL]")

// ParseURL reads kinesis://name?region=us-east-1[&endpoint=http://…]. The error does not repeat the URL.
func ParseURL(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "kinesis" || u.User != nil || u.Path != "" || u.Fragment != "" {
		return Target{}, ErrURL
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`).MatchString(u.Host) {
		return Target{}, fmt.Errorf("the stream's name has characters that Kinesis does not allow: %w", ErrURL)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Target{}, ErrURL
	}
	t := Target{Name: u.Host, Region: q.Get("region"), Endpoint: q.Get("endpoint")}
	for name, values := range q {
		if (name != "region" && name != "endpoint") || len(values) != 1 {
			return Target{}, fmt.Errorf("parameter %q is unknown or repeated: %w", name, ErrURL)
		}
	}
	if t.Region == "" {
		return Target{}, fmt.Errorf("the region is missing: %w", ErrURL)
	}
	if t.Endpoint != "" {
		e, err := url.Parse(t.Endpoint)
		if err != nil || (e.Scheme != "http" && e.Scheme != "https") || e.Host == "" {
			return Target{}, fmt.Errorf("the endpoint is no http or https URL: %w", ErrURL)
		}
	}
	return t, nil
}
