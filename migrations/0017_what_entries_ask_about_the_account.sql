-- The highest equity and what transfers have brought are asked at each entry: they are kept as they change, by whoever changes
-- them and in the same transaction, so that nobody reads a history. See the sums of 0010.

-- Nothing changes between them and those who keep them.
LOCK TABLE settings, equity_snapshots, transfers IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE account_peaks (
    account text PRIMARY KEY,
    since   timestamptz NOT NULL,   -- when somebody last resumed from a drawdown: what was higher before is no peak any more
    peak    numeric                 -- the highest of `equity - transferred`; null: no snapshot since
);
CREATE FUNCTION peaks_begin() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT (value #>> '{}')::timestamptz FROM settings WHERE key = 'account_peak_since'), '-infinity')
$$;
INSERT INTO account_peaks (account, since, peak)
SELECT account, peaks_begin(), max(equity - transferred) FILTER (WHERE ts >= peaks_begin())
  FROM equity_snapshots WHERE bot IS NULL GROUP BY account;

CREATE FUNCTION snapshots_make_peaks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_peaks VALUES (NEW.account, peaks_begin(), NULL) ON CONFLICT (account) DO NOTHING;
    UPDATE account_peaks SET peak = greatest(peak, NEW.equity - NEW.transferred)
     WHERE account = NEW.account AND NEW.ts >= since AND (peak IS NULL OR peak < NEW.equity - NEW.transferred);
    RETURN NULL;
END $$;
CREATE TRIGGER snapshots_peak AFTER INSERT ON equity_snapshots FOR EACH ROW
    WHEN (NEW.bot IS NULL) EXECUTE FUNCTION snapshots_make_peaks();

-- Those since then are few, whenever somebody resumes.
CREATE FUNCTION peaks_begin_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM account_peaks FOR UPDATE;   -- what is being written is read then
    UPDATE account_peaks AS p
       SET since = peaks_begin(),
           peak = (SELECT max(s.equity - s.transferred) FROM equity_snapshots AS s
                    WHERE s.account = p.account AND s.bot IS NULL AND s.ts >= peaks_begin());
    RETURN NULL;
END $$;
CREATE TRIGGER settings_peak AFTER INSERT OR UPDATE ON settings FOR EACH ROW
    WHEN (NEW.key = 'account_peak_since') EXECUTE FUNCTION peaks_begin_anew();
CREATE TRIGGER settings_peak_gone AFTER DELETE ON settings FOR EACH ROW
    WHEN (OLD.key = 'account_peak_since') EXECUTE FUNCTION peaks_begin_anew();
DROP INDEX equity_of_account;

CREATE TABLE transfer_sums (
    account text NOT NULL,
    venue   text NOT NULL,
    asset   text NOT NULL,
    moved   numeric NOT NULL,       -- the sum of `amount`
    told    numeric NOT NULL,       -- that of what was not inferred
    worth   numeric NOT NULL,
    PRIMARY KEY (account, venue, asset)
);
INSERT INTO transfer_sums (account, venue, asset, moved, told, worth)
SELECT account, venue, asset, sum(amount), coalesce(sum(amount) FILTER (WHERE NOT inferred), 0), sum(worth)
  FROM transfers GROUP BY account, venue, asset;

CREATE FUNCTION add_to_transfers(of_transfer transfers, sign integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO transfer_sums AS known (account, venue, asset, moved, told, worth)
    SELECT of_transfer.account, of_transfer.venue, of_transfer.asset, sign * of_transfer.amount,
           CASE WHEN of_transfer.inferred THEN 0 ELSE sign * of_transfer.amount END, sign * of_transfer.worth
    ON CONFLICT (account, venue, asset)
    DO UPDATE SET moved = known.moved + excluded.moved, told = known.told + excluded.told, worth = known.worth + excluded.worth
$$;
CREATE FUNCTION transfers_sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM add_to_transfers(OLD, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM add_to_transfers(NEW, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_add_up AFTER INSERT OR UPDATE OR DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION transfers_sum_up();

CREATE INDEX transfers_told ON transfers (account, venue, at) WHERE NOT inferred;
CREATE INDEX transfers_inferred ON transfers (account, venue, asset, at) WHERE inferred;
DROP INDEX transfers_of_account;
