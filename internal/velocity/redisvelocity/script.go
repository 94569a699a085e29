package redisvelocity

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strings"

	"github.com/redis/rueidis"
)

// script is a Lua program. It is named by its SHA-1, as the server wants it.
type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:])}
}

// scripts are the programs that run on the server. Each touches one key.
type scripts struct{ open, replace, remove, mark, turn, blame, swap, renew script }

func newScripts() scripts {
	return scripts{
		// open appends a block to a log that is made if need be, and returns its length and its beginning.
		// ARGV: block, milliseconds to live, head of a new log, number of the last block to return
		open: newScript(`
local n = redis.call('RPUSHX', KEYS[1], ARGV[1])
if n == 0 then
  redis.call('RPUSH', KEYS[1], ARGV[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {2, {ARGV[3]}}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {n, redis.call('LRANGE', KEYS[1], 0, math.min(n - 2, tonumber(ARGV[4])))}`),
		// replace puts other elements in the place of the first ones of a log, which lives as long as before.
		// ARGV: its head, how many go, the last that goes, milliseconds to live if it has no end, head and blocks to put there.
		// A log that lost its end and grew again is longer than it was, but has something else there.
		replace: newScript(`
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] or redis.call('LINDEX', KEYS[1], ARGV[2] - 1) ~= ARGV[3] then return 0 end
local ttl = redis.call('PTTL', KEYS[1])
if ttl <= 0 then ttl = ARGV[4] end
local rest = redis.call('LRANGE', KEYS[1], ARGV[2], -1)
redis.call('DEL', KEYS[1])
for i = 5, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
for i = 1, #rest do redis.call('RPUSH', KEYS[1], rest[i]) end
redis.call('PEXPIRE', KEYS[1], ttl)
return 1`),
		// remove removes a log that has not changed. ARGV: its head, its length
		remove: newScript(`
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] or redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('DEL', KEYS[1])`),
		mark: newMark(), turn: newTurn(), blame: newBlame(),
		// swap sets a value that is what it is thought to be. ARGV: old ('' is missing), new ('' removes), milliseconds to live
		swap: newScript(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`),
		// renew lets a lock that is still ours live on. ARGV: its value, milliseconds
		renew: newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`),
	}
}

// command is a call of s by its name, or with its text for a server that does not know it yet.
func (s *script) command(c rueidis.Client, whole bool, key string, args ...string) rueidis.Completed {
	if whole {
		return c.B().Eval().Script(s.text).Numkeys(1).Key(key).Arg(args...).Build()
	}
	return c.B().Evalsha().Sha1(s.sha).Numkeys(1).Key(key).Arg(args...).Build()
}

// run calls s by its name, and if the server does not know it with its text.
func (s *script) run(ctx context.Context, c rueidis.Client, key string, args ...string) rueidis.RedisResult {
	result := c.Do(ctx, s.command(c, false, key, args...))
	if unknownScript(result.Error()) {
		result = c.Do(ctx, s.command(c, true, key, args...))
	}
	return result
}

func unknownScript(err error) bool {
	failed, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(failed.Error(), "NOSCRIPT")
}
