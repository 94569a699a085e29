package tapstack_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/infra/tapstack"
)

const (
	day  = 24 * 60
	week = 7 * day
)

func databaseWindows(daily, weekly string) argsChange {
	return func(a *tapstack.TapStackArgs) {
		a.DatabaseBackupWindow, a.DatabaseMaintenanceWindow = daily, weekly
	}
}

func cacheWindows(daily, weekly string) argsChange {
	return func(a *tapstack.TapStackArgs) { a.CacheSnapshotWindow, a.CacheMaintenanceWindow = daily, weekly }
}

func TestWindowForms(t *testing.T) {
	t.Parallel()
	const weekly = "sun:12:00-sun:13:00"
	for _, daily := range []string{"03:00", "3:00-04:00", "03:00-4:00", "03:00-24:00", "03:60-04:00", "03:00 -04:00", "03:00-04:00-05:00", "sun:03:00-sun:04:00", "-"} {
		want := fmt.Sprintf("databaseBackupWindow: %q is no daily window: write it like 03:00-04:00 (UTC)", daily)
		if got := fault(argsOf(t, databaseWindows(daily, weekly)).Validate()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for _, weekly := range []string{"sun:05:00", "05:00-06:00", "Sun:05:00-Sun:06:00", "so:05:00-so:06:00", "n m:05:00-sun:06:00",
		"sunday:05:00-sun:06:00", ":05:00-sun:06:00", "sun:05:00-sun:25:00"} {
		want := fmt.Sprintf("databaseMaintenanceWindow: %q is no weekly window: write it like sun:05:00-sun:06:00 (UTC)", weekly)
		if got := fault(argsOf(t, databaseWindows("03:00-04:00", weekly)).Validate()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change argsChange
		want   string // empty if it passes
	}{
		{databaseWindows("03:00-03:30", "sun:03:30-sun:04:00"), ""}, // half an hour each, side by side
		{databaseWindows("03:00-03:29", "sun:05:00-sun:06:00"), "databaseBackupWindow: 03:00-03:29 is too short: give it 30 minutes at least"},
		{databaseWindows("03:00-03:00", "sun:05:00-sun:06:00"), "databaseBackupWindow: 03:00-03:00 is too short: give it 30 minutes at least"},
		{databaseWindows("03:00-04:00", "sun:05:00-sun:05:29"), "databaseMaintenanceWindow: sun:05:00-sun:05:29: give it 30 minutes to 24 hours"},
		{databaseWindows("03:00-04:00", "sun:04:00-mon:03:00"), ""},
		{databaseWindows("03:00-04:00", "sun:05:00-mon:05:01"), "databaseMaintenanceWindow: sun:05:00-mon:05:01: give it 30 minutes to 24 hours\n" +
			"databaseMaintenanceWindow: sun:05:00-mon:05:01 overlaps the daily databaseBackupWindow (03:00-04:00): move one of them"},
		{databaseWindows("03:00-04:00", "wed:03:59-wed:05:00"), "databaseMaintenanceWindow: wed:03:59-wed:05:00 overlaps the daily databaseBackupWindow (03:00-04:00): move one of them"},
		{databaseWindows("23:30-00:30", "sat:22:00-sat:23:30"), ""},
		{databaseWindows("23:30-00:30", "sun:00:29-sun:01:00"), "databaseMaintenanceWindow: sun:00:29-sun:01:00 overlaps the daily databaseBackupWindow (23:30-00:30): move one of them"},
		{databaseWindows("03:00-04:00", "sat:23:30-sun:03:30"), "databaseMaintenanceWindow: sat:23:30-sun:03:30 overlaps the daily databaseBackupWindow (03:00-04:00): move one of them"},
		{databaseWindows("03:00-04:00", "sat:23:30-sun:03:00"), ""},
		{cacheWindows("02:00-03:00", "sun:03:00-sun:04:00"), ""},
		{cacheWindows("02:00-02:59", "sun:06:00-sun:07:00"), "cacheSnapshotWindow: 02:00-02:59 is too short: give it 60 minutes at least"},
		{cacheWindows("02:00-03:00", "sun:06:00-sun:06:59"), "cacheMaintenanceWindow: sun:06:00-sun:06:59: give it 60 minutes to 24 hours"},
		{cacheWindows("02:00-03:00", "sun:02:30-sun:03:30"), "cacheMaintenanceWindow: sun:02:30-sun:03:30 overlaps the daily cacheSnapshotWindow (02:00-03:00): move one of them"},
	} {
		if got := fault(argsOf(t, c.change).Validate()); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

// Whether two windows overlap is the same as whether they have a minute of the week in common, wherever they wrap.
func TestWindowsOverlapWhenTheyShareAMinute(t *testing.T) {
	t.Parallel()
	args := *argsOf(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		// Ends around midnight and the end of the week are where mistakes are.
		minute := func(within int) *rapid.Generator[int] {
			return rapid.OneOf(rapid.IntRange(0, within-1), rapid.SampledFrom([]int{0, 1, 30, within - 30, within - 1}))
		}
		dailyStart, weeklyStart := minute(day).Draw(t, "daily start"), minute(week).Draw(t, "weekly start")
		dailyLength, weeklyLength := rapid.IntRange(1, day-1).Draw(t, "daily length"), rapid.IntRange(1, week-1).Draw(t, "weekly length")
		if rapid.Bool().Draw(t, "short") {
			dailyLength, weeklyLength = min(dailyLength, 40), min(weeklyLength, 50)
		}

		var busy [week]bool
		for d := range 7 {
			for m := range dailyLength {
				busy[(d*day+dailyStart+m)%week] = true
			}
		}
		shared := false
		for m := range weeklyLength {
			shared = shared || busy[(weeklyStart+m)%week]
		}

		args.DatabaseBackupWindow = clock(dailyStart) + "-" + clock(dailyStart+dailyLength)
		args.DatabaseMaintenanceWindow = weekClock(weeklyStart) + "-" + weekClock(weeklyStart+weeklyLength)
		err := args.Validate()
		if refused := err != nil && strings.Contains(err.Error(), "overlaps"); refused != shared {
			t.Fatalf("%s and %s share a minute: %v, refused: %v", args.DatabaseBackupWindow, args.DatabaseMaintenanceWindow, shared, err)
		}
	})
}

func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes%day/60, minutes%60) }

func weekClock(minutes int) string {
	days := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	return days[minutes%week/day] + ":" + clock(minutes%day)
}
