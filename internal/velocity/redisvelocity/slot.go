package redisvelocity

import "strconv"

// slotCount is how many slots a cluster has.
const slotCount = 16384

// slotOf is the slot of a key that has no braces: CRC-16/XMODEM modulo the number of slots.
func slotOf(key string) int {
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slotCount
}

// spread returns n texts whose slots lie one in each n-th of all slots.
func spread(n int) []string {
	texts := make([]string, n)
	for found, i := 0, 0; found < n; i++ {
		text := strconv.Itoa(i)
		if at := slotOf(text) * n / slotCount; texts[at] == "" {
			texts[at] = text
			found++
		}
	}
	return texts
}
