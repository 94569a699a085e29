package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// listNames are the lists by their name in the path.
var listNames = map[string]payment.Lists{"block": payment.Blocked, "allow": payment.Allowed}

// listForm is an entry on the wire, as it is sent. The identifier travels in the body, never in the URL, because URLs end up in logs.
type listForm struct {
	Kind      string `json:"kind"`
	Value     string `json:"value"`      // the clear identifier
	Token     string `json:"token"`      // DELETE only, instead of value: as GET shows it
	Reason    string `json:"reason"`     // POST only, optional: a code
	ExpiresAt string `json:"expires_at"` // POST only
}

// listEntry is an entry on the wire, as it is shown: the identifier is not kept.
type listEntry struct {
	Kind      string    `json:"kind"`
	Token     string    `json:"token"`
	Reason    string    `json:"reason,omitempty"`
	AddedBy   string    `json:"added_by"` // the id of the API key
	AddedAt   time.Time `json:"added_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func wireEntry(e ListEntry) listEntry {
	return listEntry{e.Kind, e.Token.String(), e.Reason, e.AddedBy, e.AddedAt.UTC(), e.ExpiresAt.UTC()}
}

// maxListing is how long an entry may stand: who is listed is told nothing, so that it must end by itself.
const maxListing = 5 * 366 * 24 * time.Hour

func listOf(c call) (payment.Lists, error) {
	list, ok := listNames[c.r.PathValue("list")]
	if !ok {
		return 0, newProblem("not-found", "The lists are /v1/lists/block and /v1/lists/allow.")
	}
	return list, nil
}

// listRequest reads what POST and DELETE have in common.
func (a *api) listRequest(c call, fields ...string) (payment.Lists, listForm, error) {
	var form listForm
	list, err := listOf(c)
	if err != nil {
		return 0, form, err
	}
	if err := a.charge(c, 1); err != nil {
		return 0, form, err
	}
	body, err := a.bodies.read(c, a.Limits.Body, false)
	if err != nil {
		return 0, form, err
	}
	defer a.bodies.release(body)
	if problem := decodeStrict(body.Bytes(), &form, fields...); problem != nil {
		return 0, form, problem
	}
	if !slices.Contains(ListKinds(), form.Kind) {
		return 0, form, invalid(FieldError{"/kind", "invalid", "use " + strings.Join(ListKinds(), ", ")})
	}
	return list, form, nil
}

// postListEntry puts an identifier on a list, or renews its entry.
func (a *api) postListEntry(c call) error {
	list, form, err := a.listRequest(c, "kind", "value", "reason", "expires_at")
	if err != nil {
		return err
	}
	now := a.Now().UTC().Truncate(time.Millisecond)
	var faults []FieldError
	if form.Token != "" {
		faults = append(faults, FieldError{"/token", "invalid", "send the identifier in value"})
	}
	if form.Value == "" {
		faults = append(faults, FieldError{"/value", "missing", "send the identifier"})
	}
	if !reasonCode(form.Reason) {
		faults = append(faults, FieldError{"/reason", "invalid", "use a code of at most 40 lower-case letters, digits and underscores"})
	}
	expires, fault := moment("/expires_at", form.ExpiresAt)
	if fault == nil && (!expires.After(now) || expires.Sub(now) > maxListing) {
		fault = &FieldError{"/expires_at", "out_of_range", "use a moment in the next five years"}
	}
	if fault != nil {
		faults = append(faults, *fault)
	}
	if len(faults) > 0 {
		return invalid(faults...)
	}
	token, err := a.listToken(c.r.Context(), form)
	if err != nil {
		return err
	}
	entry := ListEntry{List: list, Kind: form.Kind, Token: token, Reason: form.Reason, AddedBy: c.key.ID, AddedAt: now, ExpiresAt: expires}
	stored, added, err := a.Lists.Put(c.r.Context(), entry)
	if err != nil {
		return fmt.Errorf("put list entry: %w", err)
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
	}
	writeJSON(c.w, status, mediaJSON, wireEntry(stored))
	return nil
}

func (a *api) listToken(ctx context.Context, form listForm) (payment.Token, error) {
	token, err := a.ListVault.ListToken(ctx, form.Kind, form.Value)
	if err == nil && token.IsZero() {
		err = ErrIdentifier
	}
	if err != nil {
		return payment.Token{}, fmt.Errorf("make list token: %w", err)
	}
	return token, nil
}

// reasonCode accepts "" and short codes; a sentence could name a person.
func reasonCode(s string) bool {
	if len(s) > 40 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return true
}

// deleteListEntry takes an identifier off a list, by its value or by the token that getList shows.
func (a *api) deleteListEntry(c call) error {
	list, form, err := a.listRequest(c, "kind", "value", "token")
	if err != nil {
		return err
	}
	if form.Reason != "" || form.ExpiresAt != "" || (form.Value == "") == (form.Token == "") {
		return invalid(FieldError{"", "contradiction", "send kind and either value or token"})
	}
	token, err := payment.ParseToken(form.Token)
	if err != nil {
		return invalid(FieldError{"/token", "invalid", "send a token as the list shows it"})
	}
	if form.Token == "" {
		if token, err = a.listToken(c.r.Context(), form); err != nil {
			return err
		}
	}
	removed, err := a.Lists.Remove(c.r.Context(), list, form.Kind, token)
	if err != nil {
		return fmt.Errorf("remove list entry: %w", err)
	}
	if !removed {
		return newProblem("not-found", "The identifier is not on this list.")
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// listPage is the answer to GET /v1/lists/{list}.
type listPage struct {
	Entries []listEntry `json:"entries"`
	Next    int64       `json:"next,omitempty"` // to send as after for the next page; absent on the last
}

// getList shows a page of a list, in the order of adding.
func (a *api) getList(c call) error {
	list, err := listOf(c)
	if err != nil {
		return err
	}
	if err := a.charge(c, 1); err != nil {
		return err
	}
	after, err := afterOf(c)
	if err != nil {
		return err
	}
	entries, err := a.Lists.Entries(c.r.Context(), list, after, a.Limits.ListPage+1) // one more tells whether there is a next page
	if err != nil {
		return fmt.Errorf("read list: %w", err)
	}
	page := listPage{Entries: []listEntry{}}
	if len(entries) > a.Limits.ListPage {
		entries = entries[:a.Limits.ListPage]
		page.Next = entries[len(entries)-1].Seq
	}
	for _, e := range entries {
		page.Entries = append(page.Entries, wireEntry(e))
	}
	writeJSON(c.w, http.StatusOK, mediaJSON, page)
	return nil
}

// afterOf reads the only query parameter of the API.
func afterOf(c call) (int64, error) {
	text := c.r.URL.Query().Get("after")
	if text == "" {
		return 0, nil
	}
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil || after < 0 {
		return 0, newProblem("malformed", "The parameter after is a number from the field next of the page before.")
	}
	return after, nil
}
