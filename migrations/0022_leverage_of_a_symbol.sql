-- A symbol is set up once, and its orders take the leverage of that: the paper venue keeps it as a real one does. What it has
-- traded so far told the leverage with each order; the latest of it stands.
CREATE TABLE paper.symbol_setups (
    venue    text NOT NULL,
    symbol   text NOT NULL,
    leverage integer NOT NULL CHECK (leverage BETWEEN 1 AND 125),
    isolated boolean NOT NULL,
    PRIMARY KEY (venue, symbol)
);

INSERT INTO paper.symbol_setups (venue, symbol, leverage, isolated)
SELECT venue, symbol, leverage, true FROM paper.positions WHERE quantity <> 0;

INSERT INTO paper.symbol_setups (venue, symbol, leverage, isolated)
SELECT DISTINCT ON (venue, symbol) venue, symbol, leverage, true
  FROM paper.orders
 WHERE position_type = 'futures' AND NOT reduce_only AND status <> 'rejected'
 ORDER BY venue, symbol, id DESC
ON CONFLICT (venue, symbol) DO NOTHING;
