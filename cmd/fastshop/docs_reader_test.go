package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// reader is somebody who follows the documents, in a real shell. Only curl is replaced, by a function that shows its
// arguments to this test: what quotes, variables and here-documents come to is the shell's own doing.
type reader struct {
	t   *testing.T
	p   *process
	dir string
	env []string
}

const recordCurl = "curl() { printf '%s\\0' \"$@\"; }\n"

func newReader(t *testing.T) *reader {
	t.Helper()
	dir := t.TempDir()
	r := &reader{t: t, p: start(t, dir, ""), dir: dir}
	if r.p.Key == "" {
		t.Fatal("the server printed no key")
	}
	t.Cleanup(r.p.stop)
	r.env = append(os.Environ(), "FASTSHOP="+r.p.URL, "KEY="+r.p.Key)
	return r
}

func (r *reader) shell(script string) string {
	r.t.Helper()
	c := exec.Command("sh", "-euc", script)
	c.Dir, c.Env = r.dir, r.env
	var faults bytes.Buffer
	c.Stderr = &faults
	out, err := c.Output()
	if err != nil {
		r.t.Fatalf("%v: %s in\n%s", err, &faults, script)
	}
	return string(out)
}

// exports takes over the variables of a block, but for those that the server of this test has values of its own for.
func (r *reader) exports(block string) {
	r.t.Helper()
	var kept strings.Builder
	var names []string
	for line := range strings.Lines(block) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok || !strings.HasPrefix(line, "export ") {
			r.t.Fatalf("not an export: %s", line)
		}
		if name != "FASTSHOP" && name != "KEY" {
			kept.WriteString(line)
			names = append(names, name)
		}
	}
	for _, name := range names {
		r.env = append(r.env, name+"="+r.shell(kept.String()+`printf %s "$`+name+`"`))
	}
}

// call makes the one call of a block.
func (r *reader) call(script string) (status int, answer string) {
	r.t.Helper()
	request, err := curlRequest(strings.Split(strings.TrimSuffix(r.shell(recordCurl+script), "\x00"), "\x00"), r.dir)
	if err != nil {
		r.t.Fatalf("%v in\n%s", err, script)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// curlRequest understands as much of curl as the documents use; dir is where files are.
func curlRequest(args []string, dir string) (*http.Request, error) {
	method, address, header := "", "", http.Header{}
	var body []byte
	for i := 0; i < len(args); i++ {
		flag := args[i]
		if flag == "-s" || flag == "-sS" {
			continue
		}
		if !strings.HasPrefix(flag, "-") {
			if address != "" {
				return nil, errors.New("two addresses")
			}
			address = flag
			continue
		}
		if i++; i == len(args) {
			return nil, fmt.Errorf("%s has no value", flag)
		}
		switch value := args[i]; flag {
		case "-X":
			method = value
		case "-H":
			name, content, _ := strings.Cut(value, ": ")
			header.Set(name, content)
		case "-d", "--data-binary":
			body = []byte(value)
			if name, ok := strings.CutPrefix(value, "@"); ok {
				var err error
				if body, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
					return nil, err
				}
			}
		default:
			return nil, fmt.Errorf("flag %s is not known to this test", flag)
		}
	}
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err == nil {
		request.Header = header
	}
	return request, err
}
