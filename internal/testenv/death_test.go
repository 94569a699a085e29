package testenv_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
)

// dying, in the environment, makes the test binary a process that starts servers and waits to be killed.
const dying = "TESTENV_DYING"

func TestMain(m *testing.M) {
	if os.Getenv(dying) != "" {
		die(&standalone{})
	}
	os.Exit(m.Run())
}

// standalone is a test that nobody runs: nothing of it is ever cleaned up.
type standalone struct{}

func (*standalone) Helper()             {}
func (*standalone) Cleanup(func())      {}
func (*standalone) Logf(string, ...any) {}
func (s *standalone) Skipf(format string, args ...any) {
	s.Fatalf(format, args...)
}
func (*standalone) Fatalf(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}

// die starts one server of each kind, and frozen ones, says where their files are, and waits.
func die(t *standalone) {
	p := testenv.StartPostgres(t)
	testenv.SharedPostgres(t)
	testenv.SharedRedis(t)
	testenv.SharedRedisCluster(t)
	testenv.SharedMoto(t)
	testenv.StartKinesalite(t)
	testenv.StartRedis(t).Freeze(t)
	p.Freeze(t)
	fmt.Println(filepath.Dir(filepath.Dir(p.Dir())))
	select {}
}

// below are the processes that work in a folder or below.
func below(t *testing.T, dir string) (found []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && strings.HasPrefix(at, dir+"/") {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline")) // it may be gone by now
			found = append(found, strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}

func TestKilledProcessLeavesNothing(t *testing.T) {
	testenv.SharedMoto(t) // skips, or fails, where a program is missing
	testenv.SharedPostgres(t)
	testenv.SharedRedis(t)
	testenv.StartKinesalite(t)

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), dying+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir := strings.TrimSpace(line)
	if err != nil || !filepath.IsAbs(dir) {
		_ = child.Process.Kill()
		t.Fatalf("the process said %q, %v", line, err)
	}
	running := strings.Join(below(t, dir), "\n")
	for _, program := range []string{"postgres", "redis-server", "moto_server", "kinesalite"} {
		if !strings.Contains(running, program) && !strings.Contains(running, strings.Replace(program, "redis", "valkey", 1)) {
			t.Errorf("no %s runs, but %s", program, running)
		}
	}

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left := below(t, dir)
		_, err := os.Stat(dir)
		if len(left) == 0 && os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute after the process was killed its folder %s is still there (%v), and so are\n%s", dir, err, strings.Join(left, "\n"))
		}
	}
}
