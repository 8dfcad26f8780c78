-- Whether something was bought and sold again between two looks: numbers of positions are drawn in one order and committed
-- in another, so the highest number of a closed one hides the others. How many a bot has closed is a running sum, too, in
-- the row that a close changes anyway.

-- Nothing is closed between the sums and those who keep them.
LOCK TABLE positions IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE bot_sums ADD COLUMN closed bigint NOT NULL DEFAULT 0;  -- positions
UPDATE bot_sums AS s SET closed = p.closed
  FROM (SELECT p.bot, p.venue, m.quote_asset AS asset, count(*) AS closed
          FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
         WHERE p.closed_at IS NOT NULL
         GROUP BY p.bot, p.venue, m.quote_asset) AS p
 WHERE (s.bot, s.venue, s.asset) = (p.bot, p.venue, p.asset);

CREATE OR REPLACE FUNCTION positions_sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    quoted_in text := (SELECT quote_asset FROM market_symbols WHERE symbol = NEW.symbol);
    more      numeric := NEW.realized_pnl - CASE TG_OP WHEN 'UPDATE' THEN OLD.realized_pnl ELSE 0 END;
    ended     integer := (NEW.closed_at IS NOT NULL)::integer
                         - CASE TG_OP WHEN 'UPDATE' THEN (OLD.closed_at IS NOT NULL)::integer ELSE 0 END;
BEGIN
    IF more <> 0 OR TG_OP = 'INSERT' THEN
        PERFORM add_to_asset(NEW.venue, quoted_in, more, 0, 0);
    END IF;
    INSERT INTO bot_sums AS known (bot, venue, asset, realized, closed)
    SELECT NEW.bot, NEW.venue, quoted_in, more, ended WHERE quoted_in IS NOT NULL
    ON CONFLICT (bot, venue, asset)
    DO UPDATE SET realized = known.realized + excluded.realized, closed = known.closed + excluded.closed;
    RETURN NULL;
END $$;
DROP TRIGGER positions_earn_more ON positions;
CREATE TRIGGER positions_earn_more AFTER UPDATE ON positions FOR EACH ROW
    WHEN (NEW.realized_pnl <> OLD.realized_pnl OR (NEW.closed_at IS NULL) <> (OLD.closed_at IS NULL))
    EXECUTE FUNCTION positions_sum_up();
