-- A fee that nobody could value when its fill was booked is valued once there is a price.

CREATE INDEX fills_unvalued ON fills (venue, fee_asset, id) WHERE fee_rate IS NULL AND fee_elsewhere <> 0;

CREATE FUNCTION fills_sum_up_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_to_asset(NEW.venue, (SELECT quote_asset FROM market_symbols WHERE symbol = NEW.symbol), 0,
                         NEW.fee_elsewhere * NEW.fee_rate, 0);
    RETURN NULL;
END $$;
CREATE TRIGGER fills_valued_late AFTER UPDATE OF fee_rate ON fills FOR EACH ROW
    WHEN (OLD.fee_rate IS NULL AND NEW.fee_rate IS NOT NULL AND NEW.fee_elsewhere <> 0)
    EXECUTE FUNCTION fills_sum_up_late();
