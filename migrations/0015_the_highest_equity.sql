-- The limits ask each entry for the account's highest equity and the day's first; snapshots are kept for ever, and most are
-- of bots.

CREATE INDEX equity_of_account ON equity_snapshots (account, (equity - transferred)) INCLUDE (ts) WHERE bot IS NULL;
CREATE INDEX equity_of_account_by_time ON equity_snapshots (account, ts) WHERE bot IS NULL;
