package emulator

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	minutesPerDay  = 24 * 60
	minutesPerWeek = 7 * minutesPerDay
)

var (
	dailyWindow  = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$`)
	weeklyWindow = regexp.MustCompile(`^(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):([0-5]\d)-(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):([0-5]\d)$`)
)

// window is a time for backups or maintenance, in minutes UTC from Monday 00:00, or from 00:00 for a daily one. It may
// go over the end of the day or week.
type window struct {
	start, length int
}

// parseWindow reads 03:00-04:00, or sun:03:00-sun:04:00 when weekly.
func parseWindow(text string, weekly bool) (window, error) {
	pattern, example, cycle := dailyWindow, "03:00-04:00", minutesPerDay
	if weekly {
		pattern, example, cycle = weeklyWindow, "sun:05:00-sun:06:00", minutesPerWeek
	}
	if !pattern.MatchString(text) {
		return window{}, fmt.Errorf("write the window like %s in UTC, not %q", example, text)
	}
	from, to, _ := strings.Cut(text, "-")
	w := window{start: minute(from)}
	w.length = (minute(to) - w.start + cycle) % cycle
	return w, nil
}

// minute counts from the start of the day, or of the week with a day in front. The text has matched a pattern.
func minute(text string) int {
	days := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	parts := strings.Split(text, ":")
	total := 0
	if day := slices.Index(days, parts[0]); day >= 0 {
		total, parts = day*minutesPerDay, parts[1:]
	}
	hours, _ := strconv.Atoi(parts[0]) // two digits, as matched
	minutes, _ := strconv.Atoi(parts[1])
	return total + hours*60 + minutes
}

// overlaps tells whether a daily window meets a weekly one on any day.
func (w window) overlaps(weekly window) bool {
	for day := range 7 {
		start := day*minutesPerDay + w.start
		// The one that starts later, going round the week, must start after the other has ended.
		if mod(weekly.start-start, minutesPerWeek) < w.length || mod(start-weekly.start, minutesPerWeek) < weekly.length {
			return true
		}
	}
	return false
}

func mod(a, n int) int { return (a%n + n) % n }
