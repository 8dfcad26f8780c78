-- What a venue closes by force is ours when the position was.

ALTER TABLE external_fills
    ADD COLUMN forced text CHECK (forced IN ('liquidation', 'adl', 'settlement'));
CREATE INDEX external_fills_open ON external_fills (venue, executed_at) WHERE adopted_by IS NULL;
