-- Rows that the windows have not counted: 4 in transactions.flags. Few, or none.
CREATE INDEX transactions_uncounted ON transactions (seq) WHERE flags & 4 <> 0;
