package kinesisstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/stream"
)

func items(key []byte, data ...[]byte) (list []item) {
	for _, d := range data {
		list = append(list, item{key: key, data: d})
	}
	return list
}

// TestFormat pins what is written: streams hold it for a week, and two versions of the program read it meanwhile.
func TestFormat(t *testing.T) {
	long := bytes.Repeat([]byte{'k'}, 193)
	for _, c := range []struct {
		key       []byte
		data      [][]byte
		name, hex string
	}{
		{[]byte("token"), [][]byte{[]byte("ab")}, "dG9rZW4", "f5006162"},
		{[]byte("token"), [][]byte{[]byte("ab"), {}, []byte("c")}, "dG9rZW4", "f501" + "026162" + "00" + "0163"},
		{nil, [][]byte{{}}, "~", "f500"},
		{[]byte{0xff, 0xfe}, [][]byte{{0xf5, 0}}, "__4", "f500f500"},
		{
			long,
			[][]byte{[]byte("a")},
			"~ec949e7d322374dd888163b1c40bc2ad46b0f923d4e1a0243b81062b33a993fc",
			"f502" + "c101" + hex.EncodeToString(long) + "61",
		},
	} {
		name, inside := partitionKey(c.key)
		if inside != (len(c.key) > 192) || name != c.name {
			t.Errorf("key %x has partition key %q, inside %t", c.key, name, inside)
		}
		packed := pack(nil, c.key, inside, items(c.key, c.data...))
		if hex.EncodeToString(packed) != c.hex {
			t.Errorf("key %x: record %x, want %s", c.key, packed, c.hex)
		}
	}
	if name, _ := partitionKey(bytes.Repeat([]byte{1}, 192)); len(name) != 256 {
		t.Errorf("the longest key that fits has a partition key of %d characters", len(name))
	}
}

func TestSplitIsTheInverseOfPack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, maxKey).Draw(r, "key")
		data := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 20).Draw(r, "data")
		name, inside := partitionKey(key)
		gotKey, got := Split(name, pack(nil, key, inside, items(key, data...)))
		if !bytes.Equal(gotKey, key) || len(got) != len(data) {
			r.Fatalf("key %x and %d entries came back as %x and %d", key, len(data), gotKey, len(got))
		}
		for i := range got {
			if !bytes.Equal(got[i], data[i]) {
				r.Fatalf("entry %d changed", i)
			}
		}
	})
}

// TestForeignRecordsComeBackWhole: a poisoned record must reach the one who puts it aside, not stop the shard.
func TestForeignRecordsComeBackWhole(t *testing.T) {
	for name, data := range map[string]string{
		"empty": "", "short": "\xf5", "text": `{"amount":1}`, "unknown kind": "\xf5\x04x", "cut entries": "\xf5\x01\x05ab",
		"no entries": "\xf5\x01", "cut key": "\xf5\x02\x09k", "endless length": "\xf5\x01" + strings.Repeat("\xff", 11),
		"aggregated by another library": "\xf3\x89\x9a\xc2\x0a",
	} {
		key, entries := Split("dG9rZW4", []byte(data))
		if string(key) != "dG9rZW4" || len(entries) != 1 || string(entries[0]) != data {
			t.Errorf("%s: key %q, entries %q", name, key, entries)
		}
	}
	if key, entries := Split("not base64!", []byte("\xf5\x00x")); string(key) != "not base64!" || string(entries[0]) != "\xf5\x00x" {
		t.Errorf("a partition key of another: %q, %q", key, entries)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("dG9rZW4", []byte("\xf5\x01\x01a\x01b"))
	f.Add("~", []byte("\xf5\x02\x01ka"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		_, entries := Split(name, data)
		total := 0
		for _, e := range entries {
			total += len(e)
		}
		if len(entries) == 0 || total > len(data) {
			t.Errorf("%d entries of %d bytes from %d", len(entries), total, len(data))
		}
	})
}

func TestFromEvent(t *testing.T) {
	key := []byte("token")
	name, inside := partitionKey(key)
	at := time.Date(2026, 3, 1, 12, 0, 0, 987_000_100, time.UTC) // as a float of seconds makes it
	got := FromEvent("shardId-000000000001", "4900", name, pack(nil, key, inside, items(key, []byte("a"), []byte("b"), []byte("c"))), at)
	want := []stream.Position{"4900.1772366400987.0", "4900.1772366400987.1", "4900.1772366400987"}
	for i, r := range got {
		if r.Position != want[i] || string(r.Key) != "token" || string(r.Data) != string("abc"[i]) ||
			r.Partition != "shardId-000000000001" || !r.AppendedAt.Equal(at.Truncate(time.Millisecond)) || r.AppendedAt.Location() != time.UTC {
			t.Errorf("record %d: %+v", i, r)
		}
		if n, err := SequenceNumber(r.Position); n != "4900" || err != nil {
			t.Errorf("sequence number %q, %v", n, err)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d records", len(got))
	}
}

func TestPositions(t *testing.T) {
	for _, p := range []stream.Position{
		"", "1", "1.", ".1", "1.2.", "1.2.3.4", "01.2", "1.02", "1.-2", "-1.2", "1.2.-1", "1.2.x", "a.2", "1.2 ", "ended",
		"1.99999999999999999999", stream.Position(strings.Repeat("1", 130)) + ".1",
	} {
		if _, err := parse(p); !errors.Is(err, stream.ErrPosition) {
			t.Errorf("%q: %v, want ErrPosition", p, err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		a := place{
			sequence: rapid.StringMatching(`0|[1-9][0-9]{0,128}`).Draw(r, "sequence"),
			ms:       rapid.Int64Range(0, 1<<53-1).Draw(r, "ms"), index: rapid.IntRange(last, 1000).Draw(r, "index"),
		}
		if b, err := parse(a.position()); err != nil || a != b {
			r.Fatalf("%+v came back as %+v, %v", a, b, err)
		}
	})
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]Target{
		"kinesis://kinesis-stream-golden?region=us-east-1":               {"kinesis-stream-golden", "us-east-1", ""},
		"kinesis://a.b_c?region=sa-east-1&endpoint=http://127.0.0.1:456": {"a.b_c", "sa-east-1", "http://127.0.0.1:456"},
	} {
		if got, err := ParseURL(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "kinesis:", "kinesis://", "kinesis://a", "kinesis://a?region=", "sqlite://a?region=r", "kinesis://a/b?region=r",
		"kinesis://a:1?region=r", "kinesis://user:secret@a?region=r", "kinesis://a?region=r&x=1", "kinesis://a?region=r&region=s",
		"kinesis://a?region=r&endpoint=ftp://b", "kinesis://a?region=r&endpoint=b", "kinesis://a%?region=r", "kinesis://a?region=%zz",
	} {
		_, err := ParseURL(text)
		if !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want ErrURL", text, err)
		}
	}
}
