package ingest

import "encoding/binary"

// canonicalVersion is the first byte of the canonical form. A change of what a submission says is a new version, and
// makes a retry across the change a conflict: the numbers of leaves are therefore only added to, and a field that old
// clients do not send leaves their form as it was.
const canonicalVersion = 1

// AppendCanonical appends the canonical form of a validated submission to dst and returns the longer slice:
//
//	version(1) { leaf number(1) length(uvarint) payload }*
//
// in the fixed order of the numbers, absent fields left out. Times are milliseconds since 1970 and the amount is
// centavos, both as eight bytes big-endian; all else is text in normal form. Equal forms mean equal submissions,
// however they were written: the order of members, spaces, escapes, punctuation of documents, time zones, the default
// currency and letter case where it does not count all disappear.
//
// It is what the payload MAC is computed over. It holds personal data in the clear: do not keep it.
func (s *Submission) AppendCanonical(dst []byte) []byte {
	dst = append(dst, canonicalVersion)
	for l := leafID; l < leafEnd; l++ {
		switch l {
		case leafOccurredAt:
			dst = appendNumber(dst, l, s.OccurredAt.UnixMilli())
		case leafCentavos:
			dst = appendNumber(dst, l, s.Amount.Centavos)
		default:
			if text := s.text(l); text != "" {
				dst = binary.AppendUvarint(append(dst, byte(l)), uint64(len(text)))
				dst = append(dst, text...)
			}
		}
	}
	return dst
}

func appendNumber(dst []byte, l leaf, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, byte(l), 8), uint64(n))
}
