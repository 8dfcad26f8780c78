-- A step of a ladder is taken once its whole quantity is sold, and what can be sold no more is closed as dust.

ALTER TABLE positions
    ADD COLUMN step_sold numeric NOT NULL DEFAULT 0;   -- of the ladder's next step; below zero: what joined it

ALTER TABLE positions DROP CONSTRAINT positions_close_reason_check;
ALTER TABLE positions ADD CONSTRAINT positions_close_reason_check
    CHECK (close_reason IN ('stop_loss', 'take_profit', 'trailing_stop', 'signal', 'max_holding', 'flatten', 'manual', 'external', 'dust'));
