package deployment

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// Masked is what stands for the value of a secret output wherever it is printed.
const Masked = "[secret]"

// Output is one output of a stack. Printing it, also as JSON, masks a secret.
type Output struct {
	value  any
	secret bool
}

// Secret tells whether the program marked the output as a secret.
func (o Output) Secret() bool { return o.secret }

// Reveal is the value, also of a secret: string, float64, bool, nil, []any or map[string]any.
func (o Output) Reveal() any { return o.value }

// String is the value as text, JSON for what is not a string, and Masked for a secret.
func (o Output) String() string {
	if o.secret {
		return Masked
	}
	if text, ok := o.value.(string); ok {
		return text
	}
	text, err := json.Marshal(o.value)
	if err != nil {
		return "" // it came from JSON, so it cannot fail
	}
	return string(text)
}

// MarshalJSON writes the value, or Masked for a secret.
func (o Output) MarshalJSON() ([]byte, error) {
	if o.secret {
		return json.Marshal(Masked)
	}
	return json.Marshal(o.value)
}

// Outputs are the outputs of a stack by their names.
type Outputs map[string]Output

// Names are the names of the outputs, sorted.
func (o Outputs) Names() []string { return slices.Sorted(maps.Keys(o)) }

// Reveal is all values by their names, secrets as well.
func (o Outputs) Reveal() map[string]any {
	values := make(map[string]any, len(o))
	for name, output := range o {
		values[name] = output.value
	}
	return values
}

func outputsOf(values auto.OutputMap) Outputs {
	outputs := make(Outputs, len(values))
	for name, v := range values {
		outputs[name] = Output{value: v.Value, secret: v.Secret}
	}
	return outputs
}
