package console

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/a-h/templ/generator"
	"github.com/a-h/templ/parser/v2"
)

// The committed Go code is what the templates say.
func TestTemplatesAreGenerated(t *testing.T) {
	files, err := filepath.Glob("*.templ")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates found: %v", err)
	}
	for _, file := range files {
		parsed, err := parser.Parse(file)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if _, err := generator.Generate(parsed, &want, generator.WithFileName("internal/console/"+file)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(strings.TrimSuffix(file, ".templ") + "_templ.go")
		if err != nil {
			t.Fatal(err)
		}
		if squeeze(string(got)) != squeeze(want.String()) {
			t.Errorf("%s changed; run: go tool templ generate -path internal/console", file)
		}
	}
}

var notCode = regexp.MustCompile(`(?m)^//.*$|[\s;]+|FileName: ` + "`[^`]*`")

// squeeze leaves out what formatting and the generator's header change.
func squeeze(code string) string { return notCode.ReplaceAllString(code, "") }

// Text can be read on its ground in both color schemes (WCAG 2.2, 1.4.3: 4.5 to 1).
func TestContrast(t *testing.T) {
	css, err := embedded.ReadFile("assets/console.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no dark scheme")
	}
	dark, _, _ = strings.Cut(dark, "}\n}")
	variable := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})\b`)
	pairs := [][2]string{
		{"ink", "paper"}, {"ink", "card"}, {"soft", "paper"}, {"soft", "card"}, {"brand-ink", "brand"}, {"card", "ink"}, {"card", "approve"},
		{"approve", "approve-bg"}, {"challenge", "challenge-bg"}, {"review", "review-bg"}, {"decline", "decline-bg"},
		{"invalid", "invalid-bg"}, {"decline", "card"}, {"challenge", "card"},
	}
	for name, sheet := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]string{}
		for _, m := range variable.FindAllStringSubmatch(sheet, -1) {
			colors[m[1]] = m[2]
		}
		for _, p := range pairs {
			a, b := luminance(t, colors[p[0]]), luminance(t, colors[p[1]])
			if ratio := (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f", name, p[0], p[1], ratio)
			}
		}
	}
}

// luminance is the relative luminance of a color of six hexadecimal digits.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(color, 16, 32)
	if err != nil || len(color) != 6 {
		t.Fatalf("color %q", color)
	}
	channel := func(c uint64) float64 {
		x := float64(c&255) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(v>>16) + 0.7152*channel(v>>8) + 0.0722*channel(v)
}
