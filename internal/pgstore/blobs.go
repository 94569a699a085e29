package pgstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// blobs are a column of bytea values as one parameter. The driver's own way with [][]byte asks the type of every value
// anew and grows its buffer step by step, which costs more than all else that a commit does on this side.
type blobs struct {
	values [][]byte // nil stands for NULL
	room   int      // bytes to make room for at once: of this column and those that follow
}

// size is how many bytes the column takes on the wire.
func (c blobs) size() int {
	n := 20
	for _, v := range c.values {
		n += 4 + len(v)
	}
	return n
}

// blobCodec encodes blobs, and everything else as the codec that it stands before does.
type blobCodec struct{ pgtype.Codec }

// PlanEncode implements pgtype.Codec.
func (c blobCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(blobs); ok && format == pgtype.BinaryFormatCode {
		return blobPlan{}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type blobPlan struct{}

// Encode appends an array in PostgreSQL's binary form: dimensions, whether there are NULLs, element type, then length and
// lower bound of the one dimension, then each value with its length in front.
func (blobPlan) Encode(value any, b []byte) ([]byte, error) {
	c, ok := value.(blobs)
	if !ok {
		return nil, fmt.Errorf("encode %T as a column of blobs", value)
	}
	b = slices.Grow(b, max(c.room, c.size()))
	nulls := uint32(0)
	if slices.ContainsFunc(c.values, func(v []byte) bool { return v == nil }) {
		nulls = 1
	}
	dimensions := uint32(min(len(c.values), 1))
	b = binary.BigEndian.AppendUint32(b, dimensions)
	b = binary.BigEndian.AppendUint32(b, nulls)
	b = binary.BigEndian.AppendUint32(b, pgtype.ByteaOID)
	if dimensions == 0 {
		return b, nil
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.values)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, v := range c.values {
		if v == nil {
			b = binary.BigEndian.AppendUint32(b, 1<<32-1)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return b, nil
}

// teach makes a connection understand blobs.
func teach(_ context.Context, conn *pgx.Conn) error {
	types := conn.TypeMap()
	if t, ok := types.TypeForOID(pgtype.ByteaArrayOID); ok {
		types.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: blobCodec{t.Codec}})
	}
	return nil
}
