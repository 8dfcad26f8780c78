-- What a bot has realized is asked several times an entry: it is a running sum, as that of each asset is. Whoever writes a
-- position changes it in the same transaction.

-- Nothing is realized between the sums and those who keep them.
LOCK TABLE positions IN SHARE ROW EXCLUSIVE MODE;

-- Of one bot at a time, which a fill holds the state of anyway: nobody waits for the row.
CREATE TABLE bot_sums (
    bot      text NOT NULL,
    venue    text NOT NULL,
    asset    text NOT NULL,               -- in which it was realized
    realized numeric NOT NULL,            -- realized P&L of all its positions, the open ones' included
    PRIMARY KEY (bot, venue, asset)
);
INSERT INTO bot_sums (bot, venue, asset, realized)
SELECT p.bot, p.venue, m.quote_asset, sum(p.realized_pnl)
  FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
 GROUP BY p.bot, p.venue, m.quote_asset;

CREATE OR REPLACE FUNCTION positions_sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    quoted_in text := (SELECT quote_asset FROM market_symbols WHERE symbol = NEW.symbol);
    more      numeric := NEW.realized_pnl - CASE TG_OP WHEN 'UPDATE' THEN OLD.realized_pnl ELSE 0 END;
BEGIN
    PERFORM add_to_asset(NEW.venue, quoted_in, more, 0, 0);
    INSERT INTO bot_sums AS known (bot, venue, asset, realized)
    SELECT NEW.bot, NEW.venue, quoted_in, more WHERE quoted_in IS NOT NULL
    ON CONFLICT (bot, venue, asset) DO UPDATE SET realized = known.realized + excluded.realized;
    RETURN NULL;
END $$;
