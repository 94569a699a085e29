package tapstack

import (
	"fmt"
	"strings"
	"time"
)

const (
	dayMinutes  = 24 * 60
	weekMinutes = 7 * dayMinutes
)

// window is a stretch of the week in minutes from Sunday 00:00 UTC; it may run past the end of the week.
type window struct{ start, length int }

// dailyWindow reads hh:mm-hh:mm. A window may pass midnight.
func dailyWindow(text string) (window, error) {
	from, to, ok := strings.Cut(text, "-")
	start, err1 := clockMinutes(from)
	end, err2 := clockMinutes(to)
	if !ok || err1 != nil || err2 != nil {
		return window{}, fmt.Errorf("%q is no daily window: write it like 03:00-04:00 (UTC)", text)
	}
	return window{start, (end - start + dayMinutes) % dayMinutes}, nil
}

// weeklyWindow reads ddd:hh:mm-ddd:hh:mm.
func weeklyWindow(text string) (window, error) {
	from, to, ok := strings.Cut(text, "-")
	start, err1 := weekdayMinutes(from)
	end, err2 := weekdayMinutes(to)
	if !ok || err1 != nil || err2 != nil {
		return window{}, fmt.Errorf("%q is no weekly window: write it like sun:05:00-sun:06:00 (UTC)", text)
	}
	return window{start, (end - start + weekMinutes) % weekMinutes}, nil
}

func clockMinutes(text string) (int, error) {
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("%q is no time of day", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

func weekdayMinutes(text string) (int, error) {
	day, clock, _ := strings.Cut(text, ":")
	minutes, err := clockMinutes(clock)
	i := strings.Index("sun mon tue wed thu fri sat", day)
	if err != nil || i < 0 || i%4 != 0 || len(day) != 3 {
		return 0, fmt.Errorf("%q is no time of the week", text)
	}
	return i/4*dayMinutes + minutes, nil
}

// meets reports whether a window that comes daily touches one that comes weekly.
func (w window) meets(weekly window) bool {
	for day := range 7 {
		start := day*dayMinutes + w.start
		// Either may run into the next week, which is the beginning of this one.
		for _, shift := range []int{-weekMinutes, 0, weekMinutes} {
			if from := weekly.start + shift; start < from+weekly.length && from < start+w.length {
				return true
			}
		}
	}
	return false
}

// windows checks a daily and a weekly window: their form, that each lasts at least the given minutes, and that they
// never overlap, which RDS refuses and which lets ElastiCache work on a node in the middle of a snapshot.
func (f *faults) windows(dailyField, daily, weeklyField, weekly string, least int) {
	d, err := dailyWindow(daily)
	if err != nil {
		f.add(dailyField, "%v", err)
	} else if d.length < least {
		f.add(dailyField, "%s is too short: give it %d minutes at least", daily, least)
	}
	w, err2 := weeklyWindow(weekly)
	if err2 != nil {
		f.add(weeklyField, "%v", err2)
	} else if w.length < least || w.length > dayMinutes {
		f.add(weeklyField, "%s: give it %d minutes to 24 hours", weekly, least)
	}
	if err == nil && err2 == nil && d.meets(w) {
		f.add(weeklyField, "%s overlaps the daily %s (%s): move one of them", weekly, dailyField, daily)
	}
}
