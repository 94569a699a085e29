package tapstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Namespace is before every key of the stack configuration; it is the project's name, so `pulumi config set` needs none.
const Namespace = "fastshop"

// ConfigKeys are the keys that the stack understands, in the order of TapStackArgs.
func ConfigKeys() []string {
	var keys []string
	t := reflect.TypeFor[TapStackArgs]()
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("config"))
	}
	return keys
}

// ArgsFromConfig reads a stack's configuration through get, which is asked for full keys such as
// fastshop:environmentSuffix. All faults are reported at once, beside the arguments that could be read.
func ArgsFromConfig(get func(key string) (string, bool)) (*TapStackArgs, error) {
	var args TapStackArgs
	var f faults
	v := reflect.ValueOf(&args).Elem()
	for i, key := range ConfigKeys() {
		if text, ok := get(Namespace + ":" + key); ok {
			if err := set(v.Field(i), text); err != nil {
				f.add(key, "%v", err)
			}
		}
	}
	return &args, errors.Join(f...)
}

// CheckKeys refuses keys that would be ignored in silence: those of our namespace that no setting has, and those of the
// AWS provider that the stack's own provider does not take over.
func CheckKeys(full []string) error {
	var f faults
	keys := ConfigKeys()
	for _, k := range slices.Sorted(slices.Values(full)) {
		if key, ours := strings.CutPrefix(k, Namespace+":"); ours && !slices.Contains(keys, key) {
			f.add(key, "there is no such setting%s", resembling(key, keys))
		}
		if strings.HasPrefix(k, "aws:") && k != "aws:region" && k != "aws:profile" {
			f.add(k, "is not taken over, the stack makes a provider of its own: set it in a profile of the AWS configuration, and that with aws:profile or AWS_PROFILE")
		}
	}
	return errors.Join(f...)
}

// set parses a value as what the field is.
func set(field reflect.Value, text string) error {
	switch field.Kind() {
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is no whole number", text)
		}
		if n == 0 {
			return errors.New("0 is refused, it would mean the default: unset it, or set what you mean")
		}
		field.SetInt(int64(n))
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		field.SetBool(b)
	case reflect.Map:
		m := map[string]string{}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return errors.New("is no map of texts: pulumi config set --path 'tags.team' payments")
		}
		field.Set(reflect.ValueOf(m))
	default:
		field.SetString(text)
	}
	return nil
}

// resembling is a hint at the key that was probably meant.
func resembling(key string, keys []string) string {
	for _, k := range keys {
		if strings.EqualFold(strings.NewReplacer("-", "", "_", "").Replace(key), k) {
			return ": did you mean " + k + "?"
		}
	}
	return "; there are: " + strings.Join(keys, ", ")
}
