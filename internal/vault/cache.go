package vault

import (
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// entry is a cached generation of a customer.
type entry struct {
	handle     Handle
	token      payment.Token
	used       bool // since the clock's hand last passed
	keyed      bool // keys are there; false for what was loaded while the KEK was disabled
	generation uint32
	opened     int64 // Unix milliseconds; 0 for the first generation
	keys       customerKeys
}

// page is how many entries are allocated at once. The cache grows by pages and never moves an entry, so that keys are
// not left behind in memory that was given back.
const page = 1024

// cache holds the latest generation of the customers seen last, at most limit of them, replaced by the clock algorithm
// (second chance).
type cache struct {
	mu    sync.Mutex
	limit int
	index map[Handle]uint32
	pages [][]entry
	size  uint32   // slots in use or free again
	free  []uint32 // slots of dropped entries
	hand  uint32

	// seen is the greatest number of a tombstone that the cache knows of; changes counts what drop and stop did. What
	// was loaded before a change is not put in after it.
	seen    uint64
	changes uint64
}

func newCache(limit int) *cache {
	return &cache{limit: limit, index: make(map[Handle]uint32)}
}

func (c *cache) at(slot uint32) *entry { return &c.pages[slot/page][slot%page] }

// fill calls found for each handle that is cached, with keys if keyed, and returns the places of the others, and the
// count of changes to hand to put.
func (c *cache) fill(handles []Handle, keyed bool, found func(i int, e *entry)) (missing []int, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range handles {
		slot, ok := c.index[handles[i]]
		if ok {
			if e := c.at(slot); e.keyed || !keyed {
				e.used = true
				found(i, e)
				continue
			}
		}
		missing = append(missing, i)
	}
	return missing, c.changes
}

// put adds or replaces entries, unless something was dropped since they were loaded.
func (c *cache) put(changes uint64, entries []entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != changes {
		return
	}
	for i := range entries {
		slot, ok := c.index[entries[i].handle]
		if !ok {
			slot = c.slot()
			c.index[entries[i].handle] = slot
		}
		*c.at(slot) = entries[i]
	}
}

// slot returns a slot for a new entry, emptying one if the cache is full.
func (c *cache) slot() uint32 {
	if n := len(c.free); n > 0 {
		slot := c.free[n-1]
		c.free = c.free[:n-1]
		return slot
	}
	if int(c.size) < c.limit {
		if c.size%page == 0 {
			c.pages = append(c.pages, make([]entry, min(page, c.limit-int(c.size))))
		}
		c.size++
		return c.size - 1
	}
	for {
		slot := c.hand
		c.hand = (c.hand + 1) % c.size
		if e := c.at(slot); !e.used {
			delete(c.index, e.handle)
			return slot
		} else {
			e.used = false
		}
	}
}

// drop forgets the customers of the tombstones and moves the counter up to the last of them.
func (c *cache) drop(tombstones []Tombstone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range tombstones {
		c.seen = max(c.seen, tombstones[i].Seq)
		c.remove(&tombstones[i])
	}
}

// forget forgets the customer of a tombstone and leaves the counter alone.
func (c *cache) forget(t Tombstone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(&t)
}

func (c *cache) remove(t *Tombstone) {
	if slot, ok := c.index[t.Handle]; ok && c.at(slot).generation <= t.Generation {
		*c.at(slot) = entry{}
		delete(c.index, t.Handle)
		c.free = append(c.free, slot)
	}
	c.changes++
}

// stop forgets every key and keeps the tokens.
func (c *cache) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pages {
		for i := range p {
			p[i].keyed = false
			p[i].keys.enc.wipe()
			p[i].keys.commit.wipe()
		}
	}
	c.changes++
}

func (c *cache) counter() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
