package testenv

// Ask is for tests that want to see a server's error.
func Ask(address string, args ...string) (string, error) { return ask(address, askLimit, args...) }
