package redisvelocity

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Report is what is known of the servers, and in words what is wrong with them.
type Report struct {
	Server   string   // name and version, such as "redis 7.0.15"
	Nodes    int      // that answered
	Policy   string   // what a server does that runs out of memory; "" if it may not be asked
	Problems []string // none if all is well
}

// Check looks at the servers and at what the user may do there. Its error is that of a server which cannot be
// reached; all else is in the report.
func (w *Windows) Check(ctx context.Context) (Report, error) {
	var r Report
	err := w.call(ctx, 2*w.o.ConnectTimeout, func(ctx context.Context, c client) error {
		isCluster := c.Mode() == rueidis.ClientModeCluster
		if !isCluster && w.o.Shape == Cluster {
			r.problem("the URL says shape=cluster, but the server is not in cluster mode")
		}
		for _, node := range c.Nodes() {
			if err := w.inspect(ctx, node, isCluster, &r); err != nil {
				return err
			}
		}
		return w.rehearse(ctx, c, &r)
	})
	return r, err
}

func (r *Report) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, p := range r.Problems {
		if p == text {
			return
		}
	}
	r.Problems = append(r.Problems, text)
}

// inspect reads what one server tells of itself.
func (w *Windows) inspect(ctx context.Context, c client, isCluster bool, r *Report) error {
	info, err := c.Do(ctx, c.B().Info().Build()).ToString()
	if failed, ok := rueidis.IsRedisErr(err); ok {
		r.problem("INFO is refused: %s", failed.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for INFO: %w", err)
	}
	r.Nodes++
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	name, version := "redis", fields["redis_version"]
	if v := fields["valkey_version"]; v != "" {
		name, version = "valkey", v
	}
	r.Server = name + " " + version
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		r.problem("the server is %s; version 7 or newer is needed", r.Server)
	}
	if fields["cluster_enabled"] == "1" && !isCluster {
		r.problem("the URL says shape=%s, but the server is in cluster mode: say shape=cluster", w.o.Shape)
	}
	r.Policy = fields["maxmemory_policy"]
	if r.Policy != "" && r.Policy != "noeviction" && r.Policy != "volatile-ttl" {
		r.problem("maxmemory-policy is %s: windows could vanish one by one without a sign; set volatile-ttl or noeviction", r.Policy)
	}
	if fields["role"] == "slave" && !isCluster {
		r.problem("the server is a replica: name the primary")
	}
	return nil
}

// rehearse does what windows do, with a key of its own that lasts for a second.
func (w *Windows) rehearse(ctx context.Context, c client, r *Report) error {
	key := w.o.Prefix + "check"
	life := strconv.FormatInt(time.Second.Milliseconds(), 10)
	h := head{generation: 1}.String()
	steps := []struct {
		name string
		do   func() error
	}{
		{"EVALSHA, EVAL, RPUSHX, RPUSH, LRANGE, PEXPIRE", func() error {
			return w.scripts.open.run(ctx, c, key, "x", life, h, "0").Error()
		}},
		{"RPUSHX", func() error { return c.Do(ctx, c.B().Rpushx().Key(key).Element("x").Build()).Error() }},
		{"LINDEX", func() error { return c.Do(ctx, c.B().Lindex().Key(key).Index(0).Build()).Error() }},
		{"LLEN", func() error { return c.Do(ctx, c.B().Llen().Key(key).Build()).Error() }},
		{"PTTL, DEL", func() error { return w.scripts.replace.run(ctx, c, key, h, "1", h, life, h).Error() }},
		{"HGET, HSET", func() error { return w.scripts.turn.run(ctx, c, key+":marker", "", "1", life).Error() }},
		{"HMGET, HGETALL", func() error {
			return w.scripts.mark.run(ctx, c, key+":marker", "1", life, w.marks.self, "0", "", "0").Error()
		}},
		{"GET", func() error { return w.scripts.swap.run(ctx, c, key+":lock", "-", "", life).Error() }},
		{"SET", func() error {
			return c.Do(ctx, c.B().Set().Key(key+":lock").Value("x").Nx().PxMilliseconds(time.Second.Milliseconds()).Build()).Error()
		}},
	}
	for _, s := range steps {
		err := s.do()
		failed, ok := rueidis.IsRedisErr(err)
		switch {
		case ok && !rueidis.IsRedisNil(err):
			r.problem("%s on keys that begin with %q: %s", s.name, w.o.Prefix, firstWords(failed.Error()))
		case err != nil && !rueidis.IsRedisNil(err):
			return fmt.Errorf("try %s: %w", s.name, err)
		}
	}
	return nil
}

// firstWords is what a server says, without what may follow at length.
func firstWords(text string) string {
	const most = 120
	text, _, _ = strings.Cut(text, "\n")
	if len(text) > most {
		return text[:most]
	}
	return text
}
