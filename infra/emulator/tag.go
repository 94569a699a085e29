package emulator

import (
	"fmt"
	"maps"
	"slices"
)

// tagChange is what must be set and removed to get from one set of tags to the other; the keys to remove are sorted.
func tagChange(before, after map[string]string) (set map[string]string, remove []string) {
	set = map[string]string{}
	for k, v := range after {
		if old, ok := before[k]; !ok || old != v {
			set[k] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[k]; !ok {
			remove = append(remove, k)
		}
	}
	return set, remove
}

// changeTags calls set and remove with what has changed from one set of tags to the other, and neither with nothing.
func changeTags(what string, before, after map[string]string, set func(map[string]string) error, remove func(keys []string) error) error {
	changed, gone := tagChange(before, after)
	if len(changed) > 0 {
		if err := set(changed); err != nil {
			return fmt.Errorf("tag %s: %w", what, err)
		}
	}
	if len(gone) > 0 {
		if err := remove(gone); err != nil {
			return fmt.Errorf("untag %s: %w", what, err)
		}
	}
	return nil
}

// tagList turns tags into the list of a client, in the order of their keys.
func tagList[T any](tags map[string]string, entry func(key, value *string) T) []T {
	var out []T
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, entry(&k, ref(tags[k])))
	}
	return out
}

func ref[T any](v T) *T { return &v }
