-- What came in or left moves the day's first equity and the highest one by its share of the equity, as if units of the
-- account were bought or redeemed at their value: what a unit is worth changes by gains and losses alone.

-- Nothing changes between what is kept and those who keep it.
LOCK TABLE settings, equity_snapshots, transfers, account_peaks IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE account_units (
    account text PRIMARY KEY,
    units   numeric NOT NULL CHECK (units > 0), -- by how much the account has grown by what came in or left
    since   timestamptz                         -- nothing was left before: no earlier snapshot is compared with one since
);

ALTER TABLE equity_snapshots ADD COLUMN unit_value numeric;       -- of the account: its equity by its units
ALTER TABLE transfers
    ADD COLUMN unweighed     numeric NOT NULL DEFAULT 0,          -- of `worth`, what the units have not counted yet
    ADD COLUMN equity_before numeric,                             -- of an inferred one: what it was weighed against
    ADD COLUMN began_anew    boolean NOT NULL DEFAULT false,      -- nothing was there before it, or is after it
    ADD COLUMN since_before  timestamptz;                         -- then: the account's `since` until then

-- What there was until now has been moved by amounts, and stays so.
UPDATE equity_snapshots AS s
   SET unit_value = s.equity - s.transferred
                    + (SELECT coalesce(sum(t.worth), 0) FROM transfers AS t WHERE t.account = s.account)
 WHERE s.bot IS NULL;
UPDATE transfers AS t SET equity_before = s.equity - t.worth
  FROM equity_snapshots AS s
 WHERE t.inferred AND s.account = t.account AND s.bot IS NULL AND s.ts = t.at AND s.equity > t.worth;

CREATE INDEX transfers_unweighed ON transfers (account) WHERE unweighed <> 0;

-- `peak` is the highest value of a unit from here on, of an account that has not been empty since.
CREATE FUNCTION peaks_begin(of_account text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT greatest(peaks_begin(), (SELECT since FROM account_units WHERE account = of_account))
$$;
CREATE OR REPLACE FUNCTION snapshots_make_peaks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_peaks VALUES (NEW.account, peaks_begin(NEW.account), NULL) ON CONFLICT (account) DO NOTHING;
    UPDATE account_peaks SET peak = greatest(peak, NEW.unit_value)
     WHERE account = NEW.account AND NEW.ts >= since AND (peak IS NULL OR peak < NEW.unit_value);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION peaks_begin_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM account_peaks FOR UPDATE;   -- what is being written is read then
    UPDATE account_peaks AS p
       SET since = peaks_begin(p.account),
           peak = (SELECT max(s.unit_value) FROM equity_snapshots AS s
                    WHERE s.account = p.account AND s.bot IS NULL AND s.ts >= peaks_begin(p.account));
    RETURN NULL;
END $$;
CREATE TRIGGER units_peak AFTER UPDATE ON account_units FOR EACH ROW
    WHEN (OLD.since IS DISTINCT FROM NEW.since) EXECUTE FUNCTION peaks_begin_anew();
CREATE TRIGGER units_peak_first AFTER INSERT ON account_units FOR EACH ROW
    WHEN (NEW.since IS NOT NULL) EXECUTE FUNCTION peaks_begin_anew();
UPDATE account_peaks AS p
   SET peak = (SELECT max(s.unit_value) FROM equity_snapshots AS s
                WHERE s.account = p.account AND s.bot IS NULL AND s.ts >= p.since);

ALTER TABLE equity_snapshots DROP COLUMN transferred;
