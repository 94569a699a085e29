package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fastshop/pipeline/internal/ingest"
)

// batch is an NDJSON request on its way through postBatch. Results are in the order
// of the lines; a blank line has none.
type batch struct {
	lines    []batchLine
	accepted []*ingest.Submission // of the good lines, in order
}

// batchLine is one line that is not blank.
type batchLine struct {
	number  int      // counted from 1
	problem *Problem // nil for a good line
}

// postBatch takes many transactions in, one a line. The answer has a result for
// every line, and its status is 200 when there was a batch to look at, whatever became
// of its lines: a bad line has no effect on its neighbors.
func (a *api) postBatch(c call) error {
	if err := a.charge(c, 1); err != nil { // before the body is read; the other lines follow
		return err
	}
	body, err := a.bodies.read(c, a.Limits.BatchBody, true)
	if err != nil {
		return err
	}
	defer a.bodies.release(body)
	count := countLines(body.Bytes())
	switch {
	case count == 0:
		return newProblem("malformed", "The body has no line.")
	case count > a.Limits.BatchLines:
		return newProblem("body-too-large", "Send at most "+strconv.Itoa(a.Limits.BatchLines)+" lines at once.")
	}
	if err := a.charge(c, count-1); err != nil {
		return err
	}
	b := a.decodeBatch(body.Bytes(), count)
	var acceptances []ingest.Acceptance
	if len(b.accepted) > 0 {
		acceptances, err = a.Intake.Accept(c.r.Context(), b.accepted)
		if err != nil {
			return fmt.Errorf("accept batch: %w", err)
		}
	}
	if len(acceptances) != len(b.accepted) {
		return fmt.Errorf("accept batch: got %d acceptances for %d submissions", len(acceptances), len(b.accepted))
	}
	out := a.bodies.buffer()
	defer a.bodies.release(out)
	if err := b.results(out, acceptances); err != nil {
		return err
	}
	writeBody(c.w, http.StatusOK, mediaNDJSON, out.Bytes())
	return nil
}

// countLines counts the lines that are not blank.
func countLines(data []byte) int {
	n := 0
	for line := range bytes.Lines(data) {
		if !blank(line) {
			n++
		}
	}
	return n
}

// blank reports whether a line has only spaces; most lines are told by their first byte.
func blank(line []byte) bool {
	return line[0] != '{' && len(bytes.TrimSpace(line)) == 0
}

// decodeBatch decodes each line by itself.
func (a *api) decodeBatch(data []byte, count int) batch {
	b := batch{lines: make([]batchLine, 0, count), accepted: make([]*ingest.Submission, 0, count)}
	now := a.Now()
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if blank(line) {
			continue
		}
		entry := batchLine{number: number}
		line = bytes.TrimRight(line, "\r\n")
		if int64(len(line)) > a.Limits.Body {
			entry.problem = newProblem("body-too-large", "A line has at most "+strconv.FormatInt(a.Limits.Body, 10)+" bytes.")
		} else if s, err := ingest.Decode(line, now); err != nil {
			entry.problem = refusal(err)
		} else {
			b.accepted = append(b.accepted, s)
		}
		if entry.problem != nil {
			a.Metrics.Refused(entry.problem.code)
			for _, e := range entry.problem.Errors {
				a.Metrics.Refused(e.Code)
			}
		}
		b.lines = append(b.lines, entry)
	}
	return b
}

// results writes a line of JSON for every line of the batch. The common ones are put
// together by hand: an id has no character that JSON would escape (payment.ValidID).
func (b *batch) results(out *bytes.Buffer, acceptances []ingest.Acceptance) error {
	out.Grow(80 * len(b.lines))
	next := 0
	for _, l := range b.lines {
		buf := append(out.AvailableBuffer(), `{"line":`...)
		buf = strconv.AppendInt(buf, int64(l.number), 10)
		problem, status := l.problem, "refused"
		if problem == nil {
			if status = acceptances[next].String(); status == "" {
				return fmt.Errorf("accept batch: acceptance %d is none", acceptances[next])
			}
			buf = append(buf, `,"transaction_id":"`...)
			buf = append(buf, b.accepted[next].ID...)
			buf = append(buf, '"')
			problem = notTaken(acceptances[next])
			next++
		}
		buf = append(buf, `,"status":"`...)
		buf = append(buf, status...)
		buf = append(buf, '"')
		if problem != nil {
			text, err := json.Marshal(problem)
			if err != nil {
				return fmt.Errorf("encode problem: %w", err)
			}
			buf = append(buf, `,"problem":`...)
			buf = append(buf, text...)
		}
		buf = append(buf, '}', '\n')
		out.Write(buf)
	}
	return nil
}

// notTaken is the problem of a submission that was well formed and yet not taken, or nil.
func notTaken(a ingest.Acceptance) *Problem {
	switch a {
	case ingest.Conflict:
		return problemOf(ErrConflict)
	case ingest.Erased:
		return problemOf(ErrErased)
	}
	return nil
}
