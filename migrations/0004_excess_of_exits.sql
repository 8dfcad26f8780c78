-- An exit's fill may be more than what was held: both legs of a pair fill in a fast market. The excess is booked with the
-- fills of somebody else's hand, and the order is settled with it.

ALTER TABLE external_fills
    ADD COLUMN excess_of bigint REFERENCES orders;   -- the order of ours whose fill was more than what was held

ALTER TABLE orders
    ADD COLUMN excess_quantity numeric NOT NULL DEFAULT 0 CHECK (excess_quantity >= 0);
ALTER TABLE orders
    DROP COLUMN settled;
ALTER TABLE orders
    ADD COLUMN settled boolean NOT NULL GENERATED ALWAYS AS (
        status IN ('filled', 'canceled', 'rejected', 'expired')
        AND coalesce(venue_filled_quantity, 0) = filled_quantity + excess_quantity
    ) STORED;
CREATE UNIQUE INDEX order_one_unsettled_entry ON orders (bot, symbol) WHERE role = 'entry' AND NOT settled AND NOT revived;
CREATE INDEX orders_unsettled ON orders (venue, id) WHERE NOT settled;
CREATE INDEX orders_unsettled_entries ON orders (bot, symbol) WHERE role = 'entry' AND NOT settled;
