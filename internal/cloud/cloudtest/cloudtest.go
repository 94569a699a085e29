// Package cloudtest makes the AWS emulator moto answer as AWS does where it does not by itself, for the tests of packages
// that talk to KMS and DynamoDB.
//
// KMS: a key that is disabled, or about to be deleted, refuses to work, and a data key of another key is told from a
// permission that is missing. DynamoDB: requests are served one at a time, because moto undoes a transaction that fails by
// putting the whole table back, with what others wrote in between. Nothing else is changed.
package cloudtest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/fastshop/pipeline/internal/testenv"
)

// Front runs a server in front of the emulator at the given URL and returns its own, the endpoint for AWS clients. It ends
// with the test. Two fronts of one emulator do not know of each other, so a table belongs to one of them.
func Front(t testenv.T, moto string) string {
	t.Helper()
	f := &front{moto: moto, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(f.client.CloseIdleConnections)
	return testenv.Intercept(t, moto, f.answer)
}

type front struct {
	moto   string
	client *http.Client
	table  sync.Mutex
}

func (f *front) answer(w http.ResponseWriter, r *http.Request, body []byte) bool {
	service, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case strings.HasPrefix(service, "DynamoDB"):
		f.table.Lock()
		defer f.table.Unlock()
		f.pass(w, r, body, nil)
		return true
	case service == "TrentService" && (action == "GenerateDataKey" || action == "Decrypt"):
		switch f.state(r, body) {
		case "Disabled":
			Refuse(w, http.StatusBadRequest, "DisabledException")
		case "PendingDeletion":
			Refuse(w, http.StatusBadRequest, "KMSInvalidStateException")
		default:
			f.pass(w, r, body, func(answer []byte) string {
				if action == "Decrypt" && bytes.Contains(answer, []byte("AccessDeniedException")) {
					return "IncorrectKeyException"
				}
				return ""
			})
		}
		return true
	}
	return false
}

// state asks the emulator for the state of the key that a request is about.
func (f *front) state(r *http.Request, body []byte) string {
	var request struct{ KeyId string }
	if json.Unmarshal(body, &request) != nil {
		return ""
	}
	question, err := json.Marshal(request)
	if err != nil {
		return ""
	}
	ask := r.Clone(r.Context())
	ask.Header.Set("X-Amz-Target", "TrentService.DescribeKey")
	_, answer, err := f.send(ask, question)
	var found struct{ KeyMetadata struct{ KeyState string } }
	if err != nil || json.Unmarshal(answer, &found) != nil {
		return ""
	}
	return found.KeyMetadata.KeyState
}

// pass lets the emulator answer; mend may name an error to answer instead.
func (f *front) pass(w http.ResponseWriter, r *http.Request, body []byte, mend func(answer []byte) (code string)) {
	response, answer, err := f.send(r, body)
	if err != nil {
		Refuse(w, http.StatusBadGateway, "EmulatorOutOfReach")
		return
	}
	if mend != nil && response.StatusCode != http.StatusOK {
		if code := mend(answer); code != "" {
			Refuse(w, response.StatusCode, code)
			return
		}
	}
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	w.Write(answer) // a client that went away is none of our business
}

func (f *front) send(r *http.Request, body []byte) (*http.Response, []byte, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, f.moto+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	out.Header, out.Host = r.Header, r.Host
	response, err := f.client.Do(out)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response, answer, err
}

// Refuse answers a request of the SDK with an error of AWS, such as ThrottlingException, in the JSON of KMS, DynamoDB,
// Kinesis and Secrets Manager.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "by the test"})
}
