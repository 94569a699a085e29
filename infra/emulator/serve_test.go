package emulator

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestFailureInjectionAndCalls(t *testing.T) {
	s := &things{made: map[string]Object{}}
	failing := OpCreate
	e := engineOn(t, &Cloud{}, Options{Kinds: s.kinds(), Fail: func(op Op, token, name string) error {
		if op == failing && token == thingToken && name == "a" {
			return errors.New("injected")
		}
		return nil
	}})
	in := Object{"name": "a", "size": 3}
	_, err := e.try(thingToken, "a", in)
	refused(t, err, `create aws:test/thing:Thing "a": injected`)
	if len(s.made) != 0 {
		t.Errorf("made = %v although creation was made to fail", s.made)
	}
	failing = OpUpdate
	m := e.create(thingToken, "a", in)
	refused(t, m.tryUpdate(in.With(Object{"size": 4})), "injected")
	failing = OpDelete
	refused(t, m.tryDelete(), "injected")
	failing = OpRead
	m.update(Object{"size": 4})
	m.delete()

	var got []Op
	for _, call := range e.server.Calls() {
		if call.Token != thingToken || call.Name != "a" || call.URN != urnOf(thingToken, "a") {
			t.Errorf("call = %+v, want the thing a", call)
		}
		got = append(got, call.Op)
	}
	want := []Op{OpCreate, OpCreate, OpUpdate, OpDelete, OpUpdate, OpDelete, OpDelete}
	if !slices.Equal(got, want) {
		t.Errorf("calls = %q, want %q", got, want)
	}
}

func TestServeRefusesTwoKindsOfOneToken(t *testing.T) {
	_, err := Serve(t.Context(), &Cloud{}, Options{Kinds: []Kind{{Token: thingToken}, {Token: thingToken}}})
	refused(t, err, "two kinds of "+thingToken)
}

func TestServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server, err := Serve(ctx, &Cloud{}, Options{Kinds: []Kind{}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-server.ended
	server.Close()
}
