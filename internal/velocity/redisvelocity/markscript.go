package redisvelocity

// newMark is mark, which moves a marker on and returns what it was. A missing one is not made. One that has gone back, or
// whose field of this process has, says from now on since when writes are lost. What was before the last heal does not
// count. Who comes new removes the fields of those who have not come for long. ARGV: now, milliseconds to live, field of
// the process, what it was at least, what it is if it is missing (” if that says nothing), milliseconds a field is kept
func newMark() script {
	return newScript(`
local h = redis.call('HMGET', KEYS[1], 'v', 'e', ARGV[3])
local v, own, seen = h[1], tonumber(h[3] or ARGV[5]), tonumber(ARGV[4])
if not v or not string.match(v, '^%d+$') then return v or '' end
local at = tonumber(v)
if seen > tonumber(h[2] or 0) and (at < seen or own and own < seen) then
  v = string.format('-%.0f', math.min(at, own or at))
  redis.call('HSET', KEYS[1], 'v', v)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return v
end
if not h[3] then
  local all, from = redis.call('HGETALL', KEYS[1]), math.min(at, ARGV[1]) - ARGV[6]
  for i = 1, #all, 2 do
    if #all[i] > 1 and tonumber(all[i + 1]) < from then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
local top = ARGV[1]
if at > tonumber(top) then top = v end
redis.call('HSET', KEYS[1], 'v', top, ARGV[3], top)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return v`)
}

// newTurn is turn, which sets a marker that is what it is thought to be. ARGV: old (” is missing), new, milliseconds to live
func newTurn() script {
	return newScript(`
if (redis.call('HGET', KEYS[1], 'v') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2])
if string.match(ARGV[2], '^%d+$') then redis.call('HSET', KEYS[1], 'e', ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)
}

// newBlame is blame, which makes a marker that says all is well say that writes are lost, unless it was healed since then.
// ARGV: since when, milliseconds to live
func newBlame() script {
	return newScript(`
local h = redis.call('HMGET', KEYS[1], 'v', 'e')
if not h[1] or not string.match(h[1], '^%d+$') or tonumber(h[2] or 0) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'v', '-' .. ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`)
}
