-- A fee may be taken in any asset: what it is worth in the quote asset stands beside it, and what went for fees out of an
-- asset that no position is in is missing from what the venue holds.

ALTER TABLE fills
    ADD COLUMN fee_rate      numeric,                     -- quote asset for one of the fee's asset; null: nobody knew it
    ADD COLUMN fee_value     numeric,                     -- quote asset: what P&L counts of it
    ADD COLUMN fee_elsewhere numeric NOT NULL DEFAULT 0;  -- of `fee`: neither the quote asset nor the position paid it
UPDATE fills AS f
   SET fee_rate = CASE f.fee_asset WHEN m.base_asset THEN f.price ELSE 1 END,
       fee_value = f.fee * CASE f.fee_asset WHEN m.base_asset THEN f.price ELSE 1 END
  FROM market_symbols AS m
 WHERE m.symbol = f.symbol AND f.fee_asset IN (m.base_asset, m.quote_asset);

-- Running sums of each asset at a venue, so that nobody has to add up a history. They follow positions and fills in the
-- same transaction, whoever writes those.
CREATE TABLE asset_sums (
    venue          text NOT NULL,
    asset          text NOT NULL,
    earned         numeric NOT NULL DEFAULT 0,   -- realized P&L of what is quoted in it, with funding
    paid_elsewhere numeric NOT NULL DEFAULT 0,   -- fees that P&L counts and another asset paid, at their worth
    fees_taken     numeric NOT NULL DEFAULT 0,   -- of this asset, and no position or P&L in it has paid
    PRIMARY KEY (venue, asset)
);
INSERT INTO asset_sums (venue, asset, earned)
SELECT p.venue, m.quote_asset, sum(p.realized_pnl)
  FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
 GROUP BY p.venue, m.quote_asset;

CREATE FUNCTION add_to_asset(of_venue text, of_asset text, earned numeric, elsewhere numeric, taken numeric)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO asset_sums AS known (venue, asset, earned, paid_elsewhere, fees_taken)
    SELECT of_venue, of_asset, earned, elsewhere, taken WHERE of_asset IS NOT NULL
    ON CONFLICT (venue, asset)
    DO UPDATE SET earned = known.earned + excluded.earned, paid_elsewhere = known.paid_elsewhere + excluded.paid_elsewhere,
                  fees_taken = known.fees_taken + excluded.fees_taken
$$;

CREATE FUNCTION positions_sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_to_asset(NEW.venue, (SELECT quote_asset FROM market_symbols WHERE symbol = NEW.symbol),
                         NEW.realized_pnl - CASE TG_OP WHEN 'UPDATE' THEN OLD.realized_pnl ELSE 0 END, 0, 0);
    RETURN NULL;
END $$;
CREATE TRIGGER positions_earn AFTER INSERT ON positions FOR EACH ROW EXECUTE FUNCTION positions_sum_up();
CREATE TRIGGER positions_earn_more AFTER UPDATE ON positions FOR EACH ROW
    WHEN (NEW.realized_pnl <> OLD.realized_pnl) EXECUTE FUNCTION positions_sum_up();

CREATE FUNCTION fills_sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_to_asset(NEW.venue, (SELECT quote_asset FROM market_symbols WHERE symbol = NEW.symbol), 0,
                         NEW.fee_elsewhere * coalesce(NEW.fee_rate, 0), 0);
    PERFORM add_to_asset(NEW.venue, NEW.fee_asset, 0, 0, NEW.fee_elsewhere);
    RETURN NULL;
END $$;
CREATE TRIGGER fills_paid_elsewhere AFTER INSERT ON fills FOR EACH ROW
    WHEN (NEW.fee_elsewhere <> 0) EXECUTE FUNCTION fills_sum_up();
