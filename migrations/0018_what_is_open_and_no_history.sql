-- What the daemon asks with each tick, sweep and reconciliation reads what is open, and no history.

-- Nothing is left between the sums and those who keep them.
LOCK TABLE positions IN SHARE ROW EXCLUSIVE MODE;

-- Futures that were closed all but less than a lot: the venue holds on to it, and it is in no position.
CREATE TABLE futures_dust (
    venue    text NOT NULL,
    symbol   text NOT NULL,
    quantity numeric NOT NULL,             -- signed
    cost     numeric NOT NULL,             -- signed: of what closed positions have left
    version  bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (venue, symbol)
);
INSERT INTO futures_dust (venue, symbol, quantity, cost)
SELECT venue, symbol, sum(CASE side WHEN 'long' THEN dust ELSE -dust END),
       coalesce(sum(CASE side WHEN 'long' THEN cost ELSE -cost END) FILTER (WHERE closed_at IS NOT NULL), 0)
  FROM positions WHERE position_type = 'futures' AND dust > 0
 GROUP BY venue, symbol;

CREATE FUNCTION positions_leave_futures() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign integer := CASE NEW.side WHEN 'long' THEN 1 ELSE -1 END;
    more numeric := NEW.dust;
    cost numeric := CASE WHEN NEW.dust > 0 AND NEW.closed_at IS NOT NULL THEN NEW.cost ELSE 0 END;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        more := more - OLD.dust;
        cost := cost - CASE WHEN OLD.dust > 0 AND OLD.closed_at IS NOT NULL THEN OLD.cost ELSE 0 END;
    END IF;
    INSERT INTO futures_dust AS known (venue, symbol, quantity, cost) VALUES (NEW.venue, NEW.symbol, sign * more, sign * cost)
    ON CONFLICT (venue, symbol)
    DO UPDATE SET quantity = known.quantity + excluded.quantity, cost = known.cost + excluded.cost, version = known.version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER positions_left AFTER INSERT ON positions FOR EACH ROW
    WHEN (NEW.position_type = 'futures' AND NEW.dust > 0) EXECUTE FUNCTION positions_leave_futures();
CREATE TRIGGER positions_leave AFTER UPDATE ON positions FOR EACH ROW
    WHEN (NEW.position_type = 'futures' AND (NEW.dust > 0 OR OLD.dust > 0)
          AND (NEW.dust, NEW.cost, NEW.closed_at IS NULL) IS DISTINCT FROM (OLD.dust, OLD.cost, OLD.closed_at IS NULL))
    EXECUTE FUNCTION positions_leave_futures();
DROP INDEX positions_futures_dust;

CREATE INDEX exit_groups_open ON exit_groups (position_id) WHERE role <> 'closed';
CREATE INDEX funding_paid ON funding_payments (venue, paid_at);
CREATE INDEX funding_unclaimed ON funding_payments (venue, paid_at) WHERE position_id IS NULL;
CREATE INDEX external_excess ON external_fills (venue, executed_at) WHERE excess_of IS NOT NULL AND adopted_by IS NULL;
CREATE INDEX external_forced ON external_fills (executed_at, trade_id)
    WHERE forced IS NOT NULL AND adopted_by IS NULL AND excess_of IS NULL;
CREATE INDEX external_orders_there ON external_orders (venue) WHERE gone_at IS NULL;
