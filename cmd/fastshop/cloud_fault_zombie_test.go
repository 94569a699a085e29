package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/fastshop/pipeline/internal/stream"
)

// TestCloudZombie freezes a process in the middle of its work, has another one take over, and wakes it. What it had begun
// must not become part of the store: it finds itself fenced, says so and ends. The other one goes on.
func TestCloudZombie(t *testing.T) {
	t.Parallel()
	r := newCloudRig(t, cloudParts{table: true}) // keys that both can use
	shop := newCloudShop(t, 500)
	for i, point := range []string{"pipeline.decided", "store.commit.before", "store.commit.inserted", "pipeline.committed", "sync.decided"} {
		dir := t.TempDir()
		zombie := r.startIn(dir, point+":8:freeze")
		shop.open(zombie)
		eventually(t, "the process freezes at "+point, func() bool { return frozen(t, zombie) })
		shop.close()
		before := r.checkpoints()
		heir := r.start("")
		shop.open(heir)
		eventually(t, "the other process is ahead in all shards", func() bool {
			now := r.checkpoints()
			for p, at := range before {
				if now[p] == at {
					return false
				}
			}
			return len(now) == cloudShards
		})
		if err := zombie.command.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the one that was frozen ends", zombie.dead)
		if err := <-zombie.ended; err == nil || !strings.Contains(r.log(dir), "fenced") {
			t.Errorf("%s: it ends with %v and does not say why:\n%s", point, err, r.log(dir))
		}
		shop.more("verdicts of the other", &shop.decided, 20)
		shop.close()
		if heir.dead() {
			t.Fatalf("%s: the other process has ended, too:\n%s", point, r.log(r.dir))
		}
		shop.reconcile(r, heir)
		if t.Failed() {
			t.Fatalf("after %d points", i+1)
		}
	}
}

// frozen tells whether a process stands still.
func frozen(t *testing.T, p *process) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		t.Fatalf("the process is gone: %v", err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // behind the program's name comes its state
	return strings.HasPrefix(after, "T")
}

// checkpoints are where the store stands in each shard.
func (r *cloudRig) checkpoints() map[stream.Partition]stream.Position {
	r.t.Helper()
	s := r.open()
	defer s.Close()
	found := map[stream.Partition]stream.Position{}
	for i := range cloudShards {
		p := stream.Partition(fmt.Sprintf("shardId-%012d", i))
		c, ok, err := s.Checkpoint(r.t.Context(), p)
		if err != nil {
			r.t.Fatal(err)
		}
		if ok {
			found[p] = c.Position
		}
	}
	return found
}
