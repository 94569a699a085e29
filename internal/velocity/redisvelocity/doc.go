// Package redisvelocity is the sliding windows and profiles of package velocity on Redis 7 or Valkey, for many processes
// at once: a single server, a primary with replicas, or cluster mode. Its answers are those of velocity.Memory, since it
// computes them with the same code; package velocitytest says so on real servers.
//
// # Layout
//
// Redis holds one append-only log per entity. Each process keeps copies of entities, bounded, with how much of each log
// they have seen (velocity.Mirror), and reads windows there. A log is a list, so that an append to one that has gone makes
// nothing and says so:
//
//	fs:SIGNATURE:{cTOKEN}    head, block, block …   kind's letter and token, one slot; the head is 8 bytes of generation
//	                                                and 4 of how long a snapshot it begins with
//	fs:SIGNATURE:m:{TAG}     64 markers, one in each 64th of the slots; see below
//	fs:SIGNATURE:h           the lock of who heals
//
// The signature stands for the format and for what the plan keeps of an event, so that another plan never reads such logs:
// it begins with none, and with everything lost. Kinds that the plan asks nothing about have no log, but for the
// customer, who remembers every id. A block is the entries of one batch for one entity.
//
// A batch of any size is one round trip and one call per entity: RPUSHX, whose answer says where the block came to lie,
// and LINDEX 0 behind it, whose answer says that the log is still of the generation that the mirror follows. Only what
// others have appended since is read (LRANGE, in the same round trip for logs that others use). A script is run where the
// mirror knows nothing of the log: it makes the log if need be, and reads it. A script for every call would take the server
// three times as long.
//
// # Guarantees
//
//   - An id counts once per entity, whoever sends it how often: to take an entry twice changes nothing. After an error
//     what was to be counted may have been counted, and to try again is safe.
//   - What a call did is seen by every call that starts after it returned, in any process.
//   - An event is read before it is counted, in the order of its batch. Of sessions that overlap in one process, an event
//     may also see events of its own batch that come after it, if they are not of a later second and the other session has
//     fetched them. If another process replaces a log just then, they may be seen too, and Duplicate may be missing.
//   - Every call has a deadline, and after five failures one after the other a breaker lets one call a second through, so that
//     a dead server costs microseconds. Errors wrap velocity.ErrUnavailable; they have no tokens, ids or secrets.
//   - Every key lives no longer than its entity can be asked for (velocity.Mirror.ReachOf). It is told to live on when it is
//     used, but not twice an hour: an entity that was silent for within an hour of its time may be new.
//
// # What is lost
//
// Redis is a cache of the store's history, and acknowledges writes that a failover loses. Markers say the moment when a process last
// looked; every process looks at most once a second, in the background of its calls (and in Run). One that is
// missing or has gone back means that its server lost data: all of it, or what came after that moment. This is told in
// the marker itself, so that processes that come later know too. Each process compares what it wrote there itself, so that
// others who look first after a failover hide nothing from it; one that has not looked for five minutes compares less.
// Until somebody has healed it, readings are Incomplete; TryHeal has one process do that. A server that was never filled is
// the same as one that lost everything. A log that is shorter than it was, or gone before its time, makes the readings of
// that batch Incomplete and has the markers looked at; if they say that all is well, that of its slots says from then on
// that the last three minutes are lost, unless it was healed since. What else such a log had is not brought back by that.
//
// What markers cannot see is the eviction of single logs that no process has a copy of, and writes that a failover lost within
// the last second when no log of them is read. So set maxmemory-policy to noeviction or volatile-ttl, as the stack does, and
// memory for what is kept; Stats.Vanished counts what was noticed. Processes' clocks must agree to within
// seconds. While somebody heals, a failover that loses some of what was just restored is not noticed.
//
// To heal twice is harmless, but the logs that were whole grow by what they had, until their next snapshot.
//
// # Snapshots
//
// A log that has grown to twice its snapshot and 2 KB is replaced by a new one, of another generation: what the entity keeps
// of its events, in blocks of 8 KB. That happens in the background, one log at a time, never more than 200 a second and
// process, and what others append meanwhile stays behind it. Other processes read the log anew from its beginning. A log
// of an entity with the maximum of 1,048,576 events is some 25 MB: to replace it holds the server up for some 50 ms.
//
// # Memory
//
// An event takes 18 to 21 bytes of each of its logs, 8 for each counterpart that the plan needs there, and 2 to 4 of the
// list; a log takes about 270 bytes by itself. With the default rules and 11 events an entity that is 62 bytes an event and
// entity, 560 bytes an event (TestServerMemory). In a mirror an event takes 86 bytes and 5 to 11 in lists per entity, an
// entity about 170, and each different counterpart 27.
//
// # Permissions
//
// +@read +@write +@scripting +@connection +info, and in a cluster +cluster|slots and +cluster|shards, on keys with the
// prefix. Check says what is missing, and what else is wrong with a server.
package redisvelocity
