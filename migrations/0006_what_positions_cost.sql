-- Money to the last digit: sums over the fills stand beside the averages that were computed from them, and what is booked
-- as dust is a loss, since it has been paid for.

ALTER TABLE positions
    ADD COLUMN entry_cost    numeric NOT NULL DEFAULT 0,   -- quote asset, without fees, of all that was entered
    ADD COLUMN exit_proceeds numeric NOT NULL DEFAULT 0,   -- the same of what was exited
    ADD COLUMN cost          numeric NOT NULL DEFAULT 0;   -- of what is open: its share of `entry_cost`

UPDATE positions
   SET entry_cost = entry_price * entry_quantity, exit_proceeds = coalesce(exit_price, 0) * exit_quantity,
       cost = entry_price * CASE position_type WHEN 'futures' THEN quantity + dust ELSE quantity END,
       realized_pnl = realized_pnl - CASE position_type WHEN 'spot' THEN entry_price * dust ELSE 0 END;

DROP VIEW trades;
CREATE VIEW trades AS
    SELECT id, bot, venue, symbol, side, entry_quantity AS quantity, entry_price, exit_price, opened_at, closed_at,
           close_reason, realized_pnl, fees, dust,
           CASE position_type WHEN 'spot' THEN trim_scale(round(dust * entry_price, 12)) ELSE 0 END AS dust_cost
      FROM positions
     WHERE closed_at IS NOT NULL AND entry_quantity > 0;
