package vault

// TestOnlyHeldKeys returns how many unwrapped epoch keys and data keys v holds in memory.
func (v *Vault) TestOnlyHeldKeys() (epochs, customers int) {
	v.personal.mu.RLock()
	defer v.personal.mu.RUnlock()
	epochs = len(v.personal.epochs)
	if v.personal.newest != nil && epochs == 0 {
		epochs = 1
	}
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	for _, p := range v.cache.pages {
		for i := range p {
			if p[i].keyed || !p[i].keys.enc.equal(make([]byte, 32)) || !p[i].keys.commit.equal(make([]byte, 32)) {
				customers++
			}
		}
	}
	return epochs, customers
}
