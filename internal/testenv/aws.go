package testenv

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
)

// Moto is a moto_server, which emulates most of AWS in memory. It takes any credentials.
type Moto struct {
	emulator
}

// sharedMoto is for all tests of this process.
var sharedMoto = sync.OnceValues(startMoto)

// SharedMoto is one emulator for all tests of the process, started at first use, which takes seconds. Give tables, streams
// and keys names of the test's own.
func SharedMoto(t T) *Moto {
	t.Helper()
	m, err := sharedMoto()
	must(t, err)
	return m
}

// StartMoto runs an emulator for this test alone.
func StartMoto(t T) *Moto {
	t.Helper()
	m, err := startMoto()
	must(t, err)
	t.Cleanup(func() { m.remove(t) })
	return m
}

func startMoto() (*Moto, error) {
	path, err := exec.LookPath("moto_server")
	if err != nil {
		return nil, fmt.Errorf("moto_server: %w", errMissing)
	}
	m := &Moto{}
	if err := m.start("moto", path, "-H", "127.0.0.1", "-p", "0"); err != nil {
		return nil, err
	}
	return m, nil
}

// Reset removes all that the emulator holds.
func (m *Moto) Reset(t T) {
	t.Helper()
	client := http.Client{Timeout: adminLimit}
	answer, err := client.Post(m.url+"/moto-api/reset", "", nil)
	if err == nil {
		err = answer.Body.Close()
	}
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("reset moto: %v, %v", answer, err)
	}
}

// Kinesalite is an emulator of Kinesis alone, in memory. Its streams reshard as real ones do: parents end, children begin,
// sequence numbers grow. It tells a shard's end as AWS does, by an answer without a next iterator, some reads after the last
// record; but it never names the children there (ChildShards).
type Kinesalite struct {
	emulator
}

const (
	// kinesaliteFolder is where scripts/tools installs the program, in the user's cache folder.
	kinesaliteFolder = "fastshop/kinesalite-3.3.3/node_modules/kinesalite"
	// kinesalite runs the program, whose own command line would listen on all interfaces.
	kinesalite = `
const server = require(process.argv[1])({shardLimit: 100, createStreamMs: 10, deleteStreamMs: 10, updateStreamMs: 10})
server.listen(0, '127.0.0.1', () => console.log('Running on http://127.0.0.1:' + server.address().port))`
)

// StartKinesalite runs an emulator for this test alone, whose streams change within some 10 ms, up to 100 shards in all.
func StartKinesalite(t T) *Kinesalite {
	t.Helper()
	k := &Kinesalite{}
	must(t, k.launch())
	t.Cleanup(func() { k.remove(t) })
	return k
}

func (k *Kinesalite) launch() error {
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("node: %w", errMissing)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find kinesalite: %w", err)
	}
	path := filepath.Join(cache, kinesaliteFolder)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("kinesalite in %s: %w", path, errMissing)
	}
	return k.start("kinesalite", node, "-e", kinesalite, path)
}

// emulator is a server that lets the system choose its port and tells where it listens.
type emulator struct {
	url     string
	dir     string
	process *process
}

// told is how it tells.
var told = regexp.MustCompile(`Running on (http://127\.0\.0\.1:[1-9]\d*)\s`)

func (e *emulator) start(name string, command ...string) error {
	h, err := home()
	if err != nil {
		return err
	}
	if e.dir, err = h.room(name, nil); err != nil {
		return err
	}
	if e.process, err = launch(blueprint{dir: e.dir, command: command, end: "KILL"}); err != nil {
		return err
	}
	err = e.process.await(func() bool {
		text, err := os.ReadFile(e.process.log)
		if found := told.FindSubmatch(text); err == nil && found != nil {
			e.url = string(found[1])
		}
		return e.url != "" && answers(e.url)
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

// answers tells whether anybody answers at the URL, whatever it is.
func answers(url string) bool {
	client := http.Client{Timeout: adminLimit}
	answer, err := client.Get(url)
	return err == nil && answer.Body.Close() == nil
}

func (e *emulator) remove(t T) {
	t.Helper()
	e.process.kill()
	if err := os.RemoveAll(e.dir); err != nil {
		t.Logf("remove a server's folder: %v", err)
	}
}

// URL is the endpoint for AWS clients, such as http://127.0.0.1:41234.
func (e *emulator) URL() string { return e.url }
