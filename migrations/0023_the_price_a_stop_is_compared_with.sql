-- The kind of price that a stop is compared with where it rests; those that rest already: the last one.
ALTER TABLE orders
    ADD COLUMN working_price text NOT NULL DEFAULT 'last'
        CHECK (working_price IN ('last', 'mark', 'bid', 'ask'));
ALTER TABLE paper.orders
    ADD COLUMN working_price text NOT NULL DEFAULT 'last'
        CHECK (working_price IN ('last', 'mark', 'bid', 'ask'));
