package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// parsing is a JSON body on its way to a Submission: the texts as they came, by leaf.
//
// It walks the tokens itself instead of having a struct filled, for two reasons: all faults are found in one pass,
// where a decoder into structs stops at the first, and all texts are cut out of one string, which costs one
// allocation instead of thirty.
type parsing struct {
	faults   *faults
	body     string // the whole of it, of which the texts are parts
	texts    [leafEnd]string
	centavos int64
	leaves   uint64 // the leaves that are there, a bit each
	objects  uint16 // the objects that are there, a bit each
}

func (p *parsing) has(l leaf) bool { return p.leaves>>l&1 == 1 }

func (p *parsing) drop(l leaf) { p.leaves &^= 1 << l }

// parse reads the body. It returns false when the body is no JSON, and then one fault tells why.
func (p *parsing) parse(data []byte) bool {
	if len(data) > MaxBody {
		p.faults.add("", TooLarge, fmt.Sprintf("send at most %d bytes", MaxBody))
		return false
	}
	p.body = string(data)
	// Names that occur twice are found here, field by field; the decoder would stop at the first.
	err := json.Unmarshal(data, p, jsontext.AllowDuplicateNames(true))
	if err == nil {
		return true
	}
	p.faults.list = nil
	detail := "send one JSON object (RFC 8259) in UTF-8 and nothing after it"
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		// The library's own text quotes the body; the offset does not.
		detail += fmt.Sprintf("; reading stopped at byte %d", syntax.ByteOffset)
	}
	p.faults.add("", Malformed, detail)
	return false
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. Its errors are those of the JSON alone; faults of the content go
// to p.faults.
func (p *parsing) UnmarshalJSONFrom(d *jsontext.Decoder) error { return p.object(d, objectRoot) }

func (p *parsing) object(d *jsontext.Decoder, o object) error {
	if d.PeekKind() != '{' {
		p.faults.add(o.pointer(), WrongType, "send an object, or leave the field out")
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := p.member(d, o, p.unquote(d, raw)); err != nil {
			return err
		}
	}
	_, err := d.ReadToken() // the closing brace, or the error that hides here
	return err
}

// member reads the value of the member name of object o.
func (p *parsing) member(d *jsontext.Decoder, o object, name string) error {
	for _, l := range leavesOf[o] {
		if rules[l].name != name {
			continue
		}
		if p.has(l) {
			p.faults.at(l, DuplicateField, adviceDuplicate)
			return d.SkipValue()
		}
		p.leaves |= 1 << l
		return p.value(d, l)
	}
	if o == objectRoot {
		for child := objectAmount; child < objectEnd; child++ {
			if objectNames[child] != name {
				continue
			}
			if p.objects>>child&1 == 1 {
				p.faults.add(child.pointer(), DuplicateField, adviceDuplicate)
				return d.SkipValue()
			}
			p.objects |= 1 << child
			return p.object(d, child)
		}
	}
	p.unknown(o, name)
	return d.SkipValue()
}

const adviceDuplicate = "send the field once"

func (p *parsing) value(d *jsontext.Decoder, l leaf) error {
	want := jsontext.Kind('"')
	advice := "send a JSON string, or leave the field out"
	if l == leafCentavos {
		want, advice = '0', "send a JSON number"
	}
	raw, err := d.ReadValue()
	switch {
	case err != nil:
		return err
	case raw.Kind() != want:
		p.faults.at(l, WrongType, advice)
		p.drop(l)
	case l == leafCentavos:
		p.amount(raw)
	default:
		p.texts[l] = p.unquote(d, raw)
	}
	return nil
}

// amount takes an integer alone: a fraction or an exponent is a sign that the client counts in reais.
func (p *parsing) amount(raw jsontext.Value) {
	centavos, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err == nil:
		p.centavos = centavos
	case errors.Is(err, strconv.ErrRange):
		p.faults.at(leafCentavos, OutOfRange, adviceAmount)
	default:
		p.faults.at(leafCentavos, Invalid, rules[leafCentavos].advice)
	}
}

// unquote is the text of the JSON string that was just read: a part of the body unless it has escapes.
func (p *parsing) unquote(d *jsontext.Decoder, raw jsontext.Value) string {
	if bytes.IndexByte(raw, '\\') >= 0 {
		text, _ := jsontext.AppendUnquote(nil, raw) // cannot fail: the decoder has checked it
		return string(text)
	}
	end := int(d.InputOffset()) - 1
	return p.body[end-len(raw)+2 : end]
}

// unknown notes a member that the contract does not have. Its name may be anything, a card number even, and is not
// repeated; the fault says what it may have been meant for.
func (p *parsing) unknown(o object, name string) {
	plain := plainName(name)
	for _, known := range memberNames(o) {
		if plainName(known) == plain {
			p.faults.add(o.pointer()+"/"+known, UnknownField, "write the name exactly as here: names are in lower case with underscores")
			return
		}
	}
	for _, forbidden := range cardDataNames {
		if plainName(forbidden) == plain && (forbidden != "number" || o == objectCard) {
			p.faults.add(o.pointer()+"/"+forbidden, CardData, adviceCardData)
			return
		}
	}
	known := strings.Join(memberNames(o), ", ")
	p.faults.add(o.pointer(), UnknownField, "leave out the fields that the contract does not have; here it has "+known)
}

const adviceCardData = "never send a card number or a security code: " +
	"send the gateway's token, the BIN and the last four digits"

// cardDataNames are names under which card numbers and sensitive authentication data are usually sent.
var cardDataNames = [...]string{
	"pan", "card_number", "number", "cvv", "cvv2", "cvc", "cvc2", "cid", "security_code",
	"track1", "track2", "track_data", "pin", "pin_block",
}

// memberNames are the names that the contract has in an object.
func memberNames(o object) (names []string) {
	for _, l := range leavesOf[o] {
		names = append(names, rules[l].name)
	}
	if o == objectRoot {
		names = append(names, objectNames[objectAmount:]...)
	}
	return names
}

// plainName strips what people vary in the spelling of a name.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}
