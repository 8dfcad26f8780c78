-- Dust of futures is open at its venue, which may close it by force beside the position or by itself: then it is an exit of
-- the position that left it, the oldest first. Funding is of the latest. Who looks for them reads no history.

CREATE INDEX positions_with_futures_dust ON positions (venue, symbol, side, id)
    WHERE position_type = 'futures' AND dust > 0 AND closed_at IS NOT NULL;
CREATE INDEX positions_with_futures_dust_closed ON positions (venue, symbol, closed_at)
    WHERE position_type = 'futures' AND dust > 0 AND closed_at IS NOT NULL;

-- What a forced close took beyond the open position may be of dust, too.
DROP INDEX external_forced;
CREATE INDEX external_forced ON external_fills (executed_at, trade_id) WHERE forced IS NOT NULL AND adopted_by IS NULL;
