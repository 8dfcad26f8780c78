-- Dust of futures is open at its venue, which may close it by force beside the position or by itself: then it is an exit of
-- the position that left it. Who looks for it reads what there is, and no history.

CREATE INDEX positions_with_futures_dust ON positions (venue, symbol)
    WHERE position_type = 'futures' AND dust > 0 AND closed_at IS NOT NULL;

-- What a forced close took beyond the open position may be of dust, too.
DROP INDEX external_forced;
CREATE INDEX external_forced ON external_fills (executed_at, trade_id) WHERE forced IS NOT NULL AND adopted_by IS NULL;
