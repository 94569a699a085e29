package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/fastshop/pipeline/internal/console"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/rule"
)

// beside sends the page's few paths to the page and all others to the API. It is no ServeMux, which would redirect
// untidy paths with the path in its answer, before the API can refuse them.
func beside(api, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/", path == "/login", path == "/logout", path == "/live/events", strings.HasPrefix(path, "/live/assets/"):
			page.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// untilClosing ends requests when the server is to stop: somebody who watches the live page must not hold it up.
func (v *server) untilClosing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(v.closing, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// wording is what people are told of a rule.
func (v *server) wording(id string) rule.Wording {
	for _, r := range v.rules.Rules() {
		if r.ID == id {
			return r.Text
		}
	}
	return rule.Wording{}
}

// publish shows stored decisions on the live page.
func (v *server) publish(o serverOptions) func(pipeline.Entry) {
	return func(e pipeline.Entry) {
		shown := v.event(&e)
		if o.truth != nil {
			shown.Truth = o.truth(e.Transaction.ID)
		}
		v.feed.Publish(shown)
		if o.decided != nil {
			o.decided(e)
		}
	}
}

func (v *server) event(e *pipeline.Entry) console.Event {
	t, d := &e.Transaction, &e.Decision
	shown := console.Event{
		ID: t.ID, At: t.OccurredAt, Centavos: t.Amount.Centavos, Method: t.Method, Channel: t.Channel, Merchant: t.Merchant,
		Outcome: d.Outcome, Score: d.Score, Path: d.Path, Latency: max(0, v.now().Sub(t.ReceivedAt)),
	}
	for _, r := range d.Reasons {
		if !r.Shadow {
			text := v.wording(r.Rule)
			shown.Reasons = append(shown.Reasons, console.Reason{Code: r.Code, Portuguese: text.PT, English: text.EN})
		}
	}
	return shown
}

// learn shows labels on the live page, unless it knows the truth already.
func (v *server) learn(o serverOptions) func(review.Label, pipeline.Labeled) {
	if o.truth != nil {
		return nil
	}
	return func(l review.Label, about pipeline.Labeled) {
		truth := console.Genuine
		if l.Verdict == review.Fraud {
			truth = console.Fraud
		}
		v.feed.Learn(l.TransactionID, about.Outcome, truth)
	}
}
