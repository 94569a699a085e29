package rule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// nodeKind is what a YAML node is, as far as a rule file cares.
type nodeKind uint8

const (
	otherNode nodeKind = iota // refused where a value is read
	nullNode
	scalarNode
	sequenceNode
	mappingNode
)

// node is a YAML value with its line: the little of YAML that a rule file needs.
// Scalars keep their text, so that a version 1.10 is not the number 1.1.
type node struct {
	kind  nodeKind
	line  int
	block bool // a scalar after | or >: its text starts on the next line
	text  string
	what  string // of otherNode: what was found
	items []node
	pairs []pair
}

type pair struct {
	key   string
	line  int
	value node
}

func (n node) get(key string) (node, bool) {
	for _, p := range n.pairs {
		if p.key == key {
			return p.value, true
		}
	}
	return node{}, false
}

// contentLine is the line on which the text of a scalar starts.
func (n node) contentLine() int {
	if n.block {
		return n.line + 1
	}
	return n.line
}

func (n node) describe() string {
	switch n.kind {
	case nullNode:
		return "nothing"
	case scalarNode:
		if strings.TrimSpace(n.text) == "" {
			return "an empty text"
		}
		return "a text"
	case sequenceNode:
		return "a list"
	case mappingNode:
		return "keys and values"
	}
	return n.what
}

func (n node) quoted() string {
	if n.kind == scalarNode {
		return quote(n.text)
	}
	return "(" + n.describe() + ")"
}

// quote shows a piece of a file in a message: printable, and not longer than a line.
func quote(s string) string {
	const longest = 60
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "…"
	}
	return strconv.Quote(s)
}

// parseYAML reads one YAML document. The parser is a library for friendly input, so
// nesting is bounded between lexer and parser and a panic of it is a fault of the file.
func parseYAML(data []byte) (root node, faults Faults) {
	defer func() {
		if recovered := recover(); recovered != nil {
			faults = Faults{{Problem: "file is not YAML that can be read", Advice: "check indentation, quotes and brackets"}}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if faults = refuseTokens(tokens); len(faults) > 0 {
		return node{}, faults
	}
	// Keys that stand twice are allowed here and refused by file.mapping: so all of them are named at once.
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return node{}, Faults{syntaxFault(err)}
	}
	var bodies []ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return node{}, Faults{{Problem: "file is empty", Advice: "write name, version and rules"}}
	case 1:
		return convert(bodies[0], 0), nil
	}
	return node{}, Faults{{Line: lineOf(bodies[1]), Problem: "file holds more than one YAML document", Advice: "remove the --- line"}}
}

// refuseTokens names what rule files do not have, anchors, aliases, merge keys, tags and
// directives, and nesting that only an attack has: the parser recurses, and Go cannot
// recover from an exhausted stack.
func refuseTokens(tokens token.Tokens) Faults {
	var faults Faults
	depth, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			entries++
		case token.TagType:
			faults = append(faults, Fault{Line: line, Problem: "YAML tag " + quote(t.Value), Advice: "put an expression that starts with ! in quotes"})
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.DirectiveType:
			faults = append(faults, Fault{Line: line, Problem: "YAML anchor, alias, merge key or directive", Advice: "write the value out; a text that starts with & or * needs quotes"})
		}
		if depth > maxNesting || entries > maxNesting {
			return append(faults, Fault{Line: line, Problem: fmt.Sprintf("values are nested deeper than %d", maxNesting), Advice: "check the brackets"})
		}
	}
	return faults
}

func syntaxFault(err error) Fault {
	fault := Fault{Problem: "file is not valid YAML", Advice: "check indentation; put an expression that holds a colon, a # or a leading ! in quotes or in a block after |"}
	var located yaml.Error
	if errors.As(err, &located) {
		fault.Problem = "file is not valid YAML: " + located.GetMessage()
		if t := located.GetToken(); t != nil && t.Position != nil {
			fault.Line = t.Position.Line
		}
	}
	return fault
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// convert takes over the tree; below a depth that no rule file has, it stops.
func convert(n ast.Node, depth int) node {
	if n == nil {
		return node{kind: nullNode}
	}
	out := node{line: lineOf(n)}
	if depth > maxNesting {
		out.what = "values nested too deep"
		return out
	}
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = nullNode
	case *ast.StringNode:
		out.kind, out.text = scalarNode, n.Value
	case *ast.LiteralNode:
		out.kind, out.block, out.text = scalarNode, true, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = scalarNode, n.GetToken().Value
	case *ast.SequenceNode:
		out.kind = sequenceNode
		for _, item := range n.Values {
			out.items = append(out.items, convert(item, depth+1))
		}
	case *ast.MappingNode:
		out.kind = mappingNode
		for _, value := range n.Values {
			out.pairs = append(out.pairs, convertPair(value, depth))
		}
	case *ast.MappingValueNode: // a mapping of one key
		out.kind, out.pairs = mappingNode, []pair{convertPair(n, depth)}
	default:
		out.what = "a YAML " + strings.ToLower(n.Type().String())
	}
	return out
}

func convertPair(n *ast.MappingValueNode, depth int) pair {
	p := pair{line: lineOf(n.Key), value: convert(n.Value, depth+1)}
	switch key := n.Key.(type) {
	case *ast.StringNode:
		p.key = key.Value
	default:
		p.key = key.String()
	}
	if p.value.line == 0 {
		p.value.line = p.line
	}
	return p
}
