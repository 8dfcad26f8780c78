-- A stop-limit order of the paper venue whose stop price was met rests as a limit order from then on, whatever the
-- price does and whatever process comes next.
ALTER TABLE paper.orders ADD COLUMN triggered boolean NOT NULL DEFAULT false;
