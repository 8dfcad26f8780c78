-- Fills of many bots add to the same sum, and each would wait until the one before it is on the disk: a connection adds to a
-- part of its own.

ALTER TABLE asset_sums ADD COLUMN part integer NOT NULL DEFAULT 0;
ALTER TABLE asset_sums DROP CONSTRAINT asset_sums_pkey;
ALTER TABLE asset_sums ADD PRIMARY KEY (venue, asset, part);

CREATE OR REPLACE FUNCTION add_to_asset(of_venue text, of_asset text, earned numeric, elsewhere numeric, taken numeric)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO asset_sums AS known (venue, asset, part, earned, paid_elsewhere, fees_taken)
    SELECT of_venue, of_asset, pg_backend_pid() % 32, earned, elsewhere, taken WHERE of_asset IS NOT NULL
    ON CONFLICT (venue, asset, part)
    DO UPDATE SET earned = known.earned + excluded.earned, paid_elsewhere = known.paid_elsewhere + excluded.paid_elsewhere,
                  fees_taken = known.fees_taken + excluded.fees_taken
$$;
