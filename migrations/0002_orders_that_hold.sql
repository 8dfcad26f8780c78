-- Several venue ids an order, the search for an unknown one, exit groups that rest at a venue, ladders, funding,
-- what somebody else's hand did, and symbols that are out of trading.

-- A triggered algo order, a bracket's leg, an order that replaced ours: one order may have several ids at its venue.
CREATE TABLE order_venue_ids (
    venue          text NOT NULL,
    symbol         text NOT NULL,
    venue_order_id text NOT NULL,
    order_id       bigint NOT NULL REFERENCES orders,
    seen_at        timestamptz NOT NULL,
    PRIMARY KEY (venue, symbol, venue_order_id)
);
CREATE INDEX order_venue_ids_order ON order_venue_ids (order_id);

-- An order whose outcome is unknown is sought; absence is inferred, and asked about for a day more. Host times.
CREATE TABLE order_searches (
    order_id          bigint PRIMARY KEY REFERENCES orders,
    began_at          timestamptz NOT NULL,
    last_asked_at     timestamptz NOT NULL,
    negatives         integer NOT NULL DEFAULT 0 CHECK (negatives >= 0),
    endpoints         text[] NOT NULL DEFAULT '{}',       -- those that have answered "never seen"
    inferred_absent_at timestamptz,
    cancel_acknowledged_at timestamptz,
    ended_at          timestamptz                         -- found, or a day after the inference
);
CREATE INDEX order_searches_open ON order_searches (order_id) WHERE ended_at IS NULL;

ALTER TABLE orders
    ADD COLUMN ladder_step integer CHECK (ladder_step >= 1),   -- exits: the step of the ladder it takes
    ADD COLUMN expires_at  timestamptz,                        -- market time: a resting entry's lifetime
    ADD COLUMN linked_id   text,                               -- one-cancels-other: orders that share it
    ADD COLUMN revived     boolean NOT NULL DEFAULT false;     -- evidence has overruled an inference of its absence

-- An entry that was taken for absent may come back while a newer one of the same bot rests: both are true then, and
-- refusing to write the older one down would help nobody. No new entry is made while either is unsettled.
DROP INDEX order_one_unsettled_entry;
CREATE UNIQUE INDEX order_one_unsettled_entry ON orders (bot, symbol) WHERE role = 'entry' AND NOT settled AND NOT revived;
CREATE INDEX orders_unsettled_entries ON orders (bot, symbol) WHERE role = 'entry' AND NOT settled;

ALTER TABLE exit_groups
    ADD COLUMN kind       text NOT NULL DEFAULT 'market' CHECK (kind IN ('market', 'resting')),
    ADD COLUMN made_at    timestamptz,
    ADD COLUMN retired_at timestamptz;

ALTER TABLE positions
    ADD COLUMN ladder_done       integer NOT NULL DEFAULT 0 CHECK (ladder_done >= 0),
    ADD COLUMN liquidation_price numeric CHECK (liquidation_price > 0),
    ADD COLUMN funding           numeric NOT NULL DEFAULT 0;   -- received, quote asset; negative when paid

CREATE TABLE funding_payments (
    venue       text NOT NULL,
    payment_id  text NOT NULL,
    symbol      text NOT NULL,
    position_id bigint REFERENCES positions,   -- null: nothing of ours was open then
    amount      numeric NOT NULL,              -- received; negative when paid
    asset       text NOT NULL,
    paid_at     timestamptz NOT NULL,
    CONSTRAINT funding_once PRIMARY KEY (venue, payment_id)
);

-- What an account holds or does by somebody else's hand: reported, and left alone until it is adopted.
CREATE TABLE external_orders (
    venue           text NOT NULL,
    symbol          text NOT NULL,
    venue_order_id  text NOT NULL,
    client_order_id text NOT NULL,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    type            text NOT NULL,
    quantity        numeric NOT NULL,
    status          text NOT NULL,
    seen_at         timestamptz NOT NULL,
    gone_at         timestamptz,
    PRIMARY KEY (venue, symbol, venue_order_id)
);
CREATE TABLE external_fills (
    venue           text NOT NULL,
    symbol          text NOT NULL,
    trade_id        text NOT NULL,
    client_order_id text NOT NULL,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity        numeric NOT NULL CHECK (quantity > 0),
    price           numeric NOT NULL CHECK (price > 0),
    fee             numeric NOT NULL,
    fee_asset       text NOT NULL,
    executed_at     timestamptz NOT NULL,
    adopted_by      bigint REFERENCES positions,
    PRIMARY KEY (venue, symbol, trade_id)
);

-- A split that is suspected, a delisting: exits of the symbol wait, and it is said.
CREATE TABLE symbol_pauses (
    symbol text PRIMARY KEY,
    code   text NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    since  timestamptz NOT NULL
);

CREATE OR REPLACE FUNCTION orders_guard_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND NOT (NEW.status = ANY (CASE OLD.status
        WHEN 'pending_new'      THEN ARRAY['new', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'unknown']
        WHEN 'unknown'          THEN ARRAY['new', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired']
        WHEN 'new'              THEN ARRAY['partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'unknown']
        WHEN 'partially_filled' THEN ARRAY['filled', 'canceled', 'expired', 'unknown']
        WHEN 'canceled'         THEN ARRAY['filled']
        WHEN 'expired'          THEN ARRAY['filled']
        WHEN 'rejected'         THEN ARRAY['new', 'partially_filled', 'filled', 'canceled', 'expired']
        ELSE ARRAY[]::text[] END)) THEN
        RAISE EXCEPTION 'order % may not go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_legal_transition';
    END IF;
    IF (NEW.client_order_id, NEW.bot, NEW.venue, NEW.symbol, NEW.role, NEW.side, NEW.type, NEW.quantity, NEW.params_hash)
       <> (OLD.client_order_id, OLD.bot, OLD.venue, OLD.symbol, OLD.role, OLD.side, OLD.type, OLD.quantity, OLD.params_hash)
       OR NEW.limit_price IS DISTINCT FROM OLD.limit_price OR NEW.stop_price IS DISTINCT FROM OLD.stop_price THEN
        RAISE EXCEPTION 'order % is what was sent: its parameters do not change', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_immutable';
    END IF;
    IF NEW.filled_quantity < OLD.filled_quantity THEN
        RAISE EXCEPTION 'order % may not lose fills', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fills_grow';
    END IF;
    RETURN NEW;
END $$;

-- The paper venue's books -----------------------------------------------------------------------------------------------

ALTER TABLE paper.orders
    ADD COLUMN linked_id text;                 -- orders that share it: the fill of one cancels the others
CREATE INDEX paper_orders_resting ON paper.orders (venue, symbol) WHERE status IN ('new', 'partially_filled');

-- The last path point that filled a resting order of the symbol: one that is played again meets nothing twice.
CREATE TABLE paper.cursors (
    venue  text NOT NULL,
    symbol text NOT NULL,
    at     timestamptz NOT NULL,
    PRIMARY KEY (venue, symbol)
);

CREATE TABLE paper.funding (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue   text NOT NULL,
    symbol  text NOT NULL,
    amount  numeric NOT NULL,                  -- received; negative when paid
    asset   text NOT NULL,
    paid_at timestamptz NOT NULL,
    UNIQUE (venue, symbol, paid_at)
);
