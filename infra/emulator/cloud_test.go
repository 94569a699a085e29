package emulator

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

func TestNewCloudAsksForTheAccount(t *testing.T) {
	if c := cloud(t); c.Account != "123456789012" {
		t.Errorf("account = %q, want the one of the emulator", c.Account)
	}
	if got, want := cloud(t).ARN("ec2", "vpc/vpc-1"), "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"; got != want {
		t.Errorf("ARN = %q, want %q", got, want)
	}
}

func TestNewCloudDoesNotRepeatACall(t *testing.T) {
	var calls atomic.Int32
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		http.Error(w, "broken", http.StatusInternalServerError)
	}))
	defer broken.Close()
	_, err := NewCloud(t.Context(), broken.URL)
	refused(t, err, "ask the emulator at "+broken.URL+" for its account")
	if calls.Load() != 1 {
		t.Errorf("%d calls, want one", calls.Load())
	}
	_, err = NewCloud(t.Context(), "")
	refused(t, err, "no endpoint given")
}

func TestRefusalsLookLikeThoseOfAWS(t *testing.T) {
	err := refuse("DependencyViolation", "resource %s has a dependent object", "sg-1")
	if !isCode(err, "Other", "DependencyViolation") || isCode(err, "Other") || isCode(errors.New("DependencyViolation"), "DependencyViolation") {
		t.Errorf("isCode does not tell %v from others", err)
	}
}
