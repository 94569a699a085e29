package emulator

import "fmt"

// wrap says what failed, or is nil without an error.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// unless is err, or nil when it is an answer of the emulator with one of the codes; a deletion is content when there is
// nothing to delete.
func unless(err error, codes ...string) error {
	if isCode(err, codes...) {
		return nil
	}
	return err
}

// orElse is the value, or fallback when it is empty.
func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
