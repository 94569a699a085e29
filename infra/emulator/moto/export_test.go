package moto

// Orphan does what the system does when the process that started the emulator dies, and returns once it has ended.
func (m *Moto) Orphan() error {
	err := m.lifeline.Close()
	<-m.ended
	return err
}
