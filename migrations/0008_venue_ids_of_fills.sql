-- A venue's list of trades may name an order by its own number alone.

ALTER TABLE fills
    ADD COLUMN venue_order_id text;
ALTER TABLE external_fills
    ADD COLUMN venue_order_id text,
    ALTER COLUMN client_order_id DROP NOT NULL;   -- null: the venue has not told a name
CREATE INDEX orders_venue_id ON orders (venue, symbol, venue_order_id) WHERE venue_order_id IS NOT NULL;
