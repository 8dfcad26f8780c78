-- Deposits and withdrawals are no gains and no losses: the day's first equity and the highest are moved by them.

CREATE TABLE transfers (
    venue       text NOT NULL,
    transfer_id text NOT NULL,                  -- the venue's; ours where it is inferred
    account     text NOT NULL,
    asset       text NOT NULL,
    amount      numeric NOT NULL,               -- received; negative: it left
    worth       numeric NOT NULL,               -- in the account's currency, when it was written down
    inferred    boolean NOT NULL,               -- cash moved, and nobody has told why: what is left of it once somebody has
    at          timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (venue, transfer_id)
);
CREATE INDEX transfers_of_account ON transfers (account, venue, asset);

-- What each purse held at the last snapshot, and what explains it: what changes otherwise has come in or gone out.
CREATE TABLE purses (
    account     text NOT NULL,
    venue       text NOT NULL,
    asset       text NOT NULL,
    cash        numeric NOT NULL,
    booked      numeric NOT NULL,               -- what our books had moved in it
    transferred numeric NOT NULL,               -- the sum of its transfers
    first_at    timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (account, venue, asset)
);

ALTER TABLE equity_snapshots ADD COLUMN transferred numeric NOT NULL DEFAULT 0;  -- of the account: `worth` until then
