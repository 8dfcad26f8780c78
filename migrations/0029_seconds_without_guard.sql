-- For how long a position was without guard, from its first fill on: no stop rested that should, or the daemon's own exits
-- were not armed. Seconds in which its market was open. `unprotected_since`: it is so now, or was when this was written.

ALTER TABLE positions
    ADD COLUMN unprotected_seconds double precision NOT NULL DEFAULT 0 CHECK (unprotected_seconds >= 0),
    ADD COLUMN unprotected_since timestamptz;

CREATE OR REPLACE VIEW trades AS
    SELECT id, bot, venue, symbol, side, entry_quantity AS quantity, entry_price, exit_price, opened_at, closed_at,
           close_reason, realized_pnl, fees, dust,
           CASE position_type WHEN 'spot' THEN trim_scale(round(dust * entry_price, 12)) ELSE 0 END AS dust_cost,
           swept, swept_income, unprotected_seconds
      FROM positions
     WHERE closed_at IS NOT NULL AND entry_quantity > 0;
