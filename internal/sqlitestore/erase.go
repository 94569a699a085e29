package sqlitestore

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	selectCustomers = "SELECT seq, customer, flags FROM transactions WHERE seq > ? ORDER BY seq LIMIT ?"
	eraseRow        = "UPDATE transactions SET mac = NULL, sealed = NULL, flags = (flags | 2) & ~4 WHERE seq = ? AND flags & 2 = 0"
)

// Erase empties seal and MAC of every stored transaction of the customers and marks them erased, in one transaction, and
// returns how many. Decisions, audit chains and everything else stay as they are.
//
// It reads the whole table, without holding up commits (about a second per million rows), because an index would cost
// every commit; so give it all customers at once. What is committed while it reads is searched as well, in the
// transaction: when Erase returns, nothing that was committed before it returned is left.
func (s *Store) Erase(ctx context.Context, customers ...payment.Token) (n int64, err error) {
	wanted := make(map[payment.Token]bool, len(customers))
	for _, c := range customers {
		wanted[c] = true
	}
	var found []int64
	var after int64
	for more := true; more && err == nil; {
		err = s.file.Read(ctx, func(c *sqlitefile.Conn) (err error) {
			found, after, more, err = findCustomers(c, wanted, found, after)
			return err
		})
		if err == nil {
			err = ctx.Err()
		}
	}
	if err == nil {
		err = s.update(ctx, len(found)+1, func(t *tx) (err error) {
			n, err = t.erase(wanted, found, after)
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("erase: %w", unavailable(err))
	}
	return n, nil
}

// findCustomers reads the next page of rows and adds those of the customers to found.
func findCustomers(c *sqlitefile.Conn, wanted map[payment.Token]bool, found []int64, after int64) ([]int64, int64, bool, error) {
	rows := 0
	err := c.Query(selectCustomers, func(r sqlitefile.Row) error {
		rows++
		after = r.Int(0)
		var customer payment.Token
		copy(customer[:], r.Blob(1))
		if wanted[customer] && ledger.Flags(r.Int(2))&ledger.Erased == 0 {
			found = append(found, after)
		}
		return nil
	}, after, int64(replayPage))
	return found, after, rows == replayPage, err
}

// erase empties the rows that were found, and those that came after them.
func (t *tx) erase(wanted map[payment.Token]bool, found []int64, after int64) (n int64, err error) {
	found = found[:len(found):len(found)] // the change may be made again after a rollback
	for more := true; more; {
		if found, after, more, err = findCustomers(t.conn, wanted, found, after); err != nil {
			return 0, err
		}
	}
	for _, seq := range found {
		changed, err := t.exec(eraseRow, seq)
		if err != nil {
			return 0, err
		}
		n += changed
	}
	t.totals.Erased += n
	return n, nil
}
