-- Dust of a symbol is one heap at its venue. An exit of a later position sells of it what makes its quantity whole lots.

CREATE TABLE dust (
    venue    text NOT NULL,
    symbol   text NOT NULL,
    quantity numeric NOT NULL CHECK (quantity >= 0),   -- spot: left by positions, less what exits have swept up
    version  bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (venue, symbol)
);

ALTER TABLE positions
    ADD COLUMN swept        numeric NOT NULL DEFAULT 0 CHECK (swept >= 0),   -- dust of others that its exits sold
    ADD COLUMN swept_income numeric NOT NULL DEFAULT 0;                      -- what that brought, part of realized_pnl
ALTER TABLE orders
    ADD COLUMN sweeps numeric NOT NULL DEFAULT 0 CHECK (sweeps >= 0);        -- exits: so much of the quantity is dust
CREATE INDEX orders_sweeping ON orders (venue, symbol) WHERE sweeps > 0 AND NOT settled;
CREATE INDEX positions_futures_dust ON positions (venue, symbol) WHERE position_type = 'futures' AND dust > 0;

INSERT INTO dust (venue, symbol, quantity)
SELECT venue, symbol, sum(dust) FROM positions WHERE position_type = 'spot' AND dust > 0 GROUP BY venue, symbol;

-- Whoever books dust or sells it changes the heap in the same transaction.
CREATE FUNCTION positions_move_dust() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dust (venue, symbol, quantity) VALUES (NEW.venue, NEW.symbol, 0) ON CONFLICT DO NOTHING;
    UPDATE dust SET quantity = quantity + NEW.dust - OLD.dust - NEW.swept + OLD.swept, version = version + 1
     WHERE venue = NEW.venue AND symbol = NEW.symbol;
    RETURN NULL;
END $$;
CREATE TRIGGER positions_dust AFTER UPDATE ON positions FOR EACH ROW
    WHEN (NEW.position_type = 'spot' AND (NEW.dust, NEW.swept) IS DISTINCT FROM (OLD.dust, OLD.swept))
    EXECUTE FUNCTION positions_move_dust();

DROP VIEW trades;
CREATE VIEW trades AS
    SELECT id, bot, venue, symbol, side, entry_quantity AS quantity, entry_price, exit_price, opened_at, closed_at,
           close_reason, realized_pnl, fees, dust,
           CASE position_type WHEN 'spot' THEN trim_scale(round(dust * entry_price, 12)) ELSE 0 END AS dust_cost,
           swept, swept_income
      FROM positions
     WHERE closed_at IS NOT NULL AND entry_quantity > 0;
