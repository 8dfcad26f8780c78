-- Everything the daemon stores. Money, prices of orders and quantities are numeric; candles are double precision;
-- times are timestamptz in market time unless a column says host time.

CREATE TABLE settings (
    key        text PRIMARY KEY,
    value      jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A rebuilt database counts its orders from 1 again: the nonce keeps client order ids apart.
INSERT INTO settings (key, value)
VALUES ('instance_nonce', to_jsonb(substr(md5(gen_random_uuid()::text), 1, 10)));

-- One row an account. Every order's INSERT locks it FOR SHARE, so no takeover can commit in between.
CREATE TABLE leadership (
    account     text PRIMARY KEY,
    token       bigint NOT NULL,
    holder      jsonb NOT NULL,             -- {machine_id, boot_id, pid, pid_started}: who, and how to tell that it is dead
    acquired_at timestamptz NOT NULL,       -- host time
    released_at timestamptz,                -- host time; null while held
    beat        bigint NOT NULL DEFAULT 0
);

-- Market data ---------------------------------------------------------------------------------------------------------

CREATE TABLE market_symbols (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol       text NOT NULL UNIQUE,
    venue        text NOT NULL,
    base_asset   text NOT NULL,
    quote_asset  text NOT NULL,
    tick_size    numeric NOT NULL CHECK (tick_size > 0),
    lot_size     numeric NOT NULL CHECK (lot_size > 0),
    min_notional numeric NOT NULL CHECK (min_notional >= 0),
    calendar     text NOT NULL,
    feeds        text[] NOT NULL,
    timeframes   text[] NOT NULL,
    active       boolean NOT NULL DEFAULT true,
    updated_at   timestamptz NOT NULL DEFAULT now()
);

-- No foreign key to the symbol: the check costs more than the row, and the one writer knows it (docs/architecture.md).
CREATE TABLE ohlc (
    symbol_id bigint NOT NULL,
    timeframe text NOT NULL,
    ts        timestamptz NOT NULL,         -- open time, on the UTC grid
    open      double precision NOT NULL,
    high      double precision NOT NULL,
    low       double precision NOT NULL,
    close     double precision NOT NULL,
    volume    double precision NOT NULL,
    feed      text NOT NULL,
    PRIMARY KEY (symbol_id, timeframe, ts),
    CHECK (low > 0 AND low <= open AND low <= close AND high >= open AND high >= close AND high < 'Infinity' AND volume >= 0)
) PARTITION BY LIST (timeframe);
CREATE TABLE ohlc_1m  PARTITION OF ohlc FOR VALUES IN ('1m') PARTITION BY RANGE (ts);  -- months, made as they are needed
CREATE TABLE ohlc_5m  PARTITION OF ohlc FOR VALUES IN ('5m');
CREATE TABLE ohlc_15m PARTITION OF ohlc FOR VALUES IN ('15m');
CREATE TABLE ohlc_1h  PARTITION OF ohlc FOR VALUES IN ('1h');
CREATE TABLE ohlc_4h  PARTITION OF ohlc FOR VALUES IN ('4h');
CREATE TABLE ohlc_1d  PARTITION OF ohlc FOR VALUES IN ('1d');

CREATE TABLE ohlc_quarantine (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source    text NOT NULL,                -- a feed's name, or the file
    line      integer,
    symbol    text NOT NULL,
    timeframe text NOT NULL,
    ts        timestamptz,
    reason    text NOT NULL,
    raw       text NOT NULL,
    seen_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX ohlc_quarantine_once
    ON ohlc_quarantine (source, symbol, timeframe, coalesce(line, -1), coalesce(ts, '-infinity'), reason, md5(raw));

CREATE TABLE ohlc_corrections (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol_id  bigint NOT NULL REFERENCES market_symbols,
    timeframe  text NOT NULL,
    ts         timestamptz NOT NULL,
    feed       text NOT NULL,
    stored     double precision[] NOT NULL, -- open, high, low, close, volume as they stand
    arrived    double precision[] NOT NULL, -- as they came again
    applied    boolean NOT NULL DEFAULT false,
    seen_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX ohlc_corrections_once ON ohlc_corrections (symbol_id, timeframe, ts, feed, arrived);

CREATE TABLE levels_daily (
    trade_date date NOT NULL,               -- the session for which the levels hold
    symbol_id  bigint NOT NULL REFERENCES market_symbols,
    y_date     date NOT NULL,               -- the completed session before it
    y_high     double precision NOT NULL,
    y_low      double precision NOT NULL,
    y_close    double precision NOT NULL,
    pp         double precision,
    r1         double precision,
    r2         double precision,
    s1         double precision,
    s2         double precision,
    PRIMARY KEY (trade_date, symbol_id),
    CHECK (y_date < trade_date),
    CHECK (num_nonnulls(pp, r1, r2, s1, s2) IN (0, 5))
);

CREATE TABLE universe (
    screened_at timestamptz NOT NULL,
    symbol      text NOT NULL,
    rank        integer NOT NULL,
    reasons     jsonb NOT NULL,
    sample_seed bigint NOT NULL,
    PRIMARY KEY (screened_at, symbol)
);

CREATE TABLE symbol_cache (
    venue        text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('spot', 'futures')),
    symbols      jsonb NOT NULL,
    refreshed_at timestamptz NOT NULL,
    PRIMARY KEY (venue, kind)
);

CREATE TABLE market_trades (
    venue       text NOT NULL,
    symbol      text NOT NULL,
    trade_id    text NOT NULL,
    executed_at timestamptz NOT NULL,
    price       double precision NOT NULL,
    quantity    double precision NOT NULL,
    side        text CHECK (side IN ('buy', 'sell')),
    PRIMARY KEY (venue, symbol, trade_id, executed_at)
) PARTITION BY RANGE (executed_at);

CREATE TABLE orderbook_snapshots (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue          text NOT NULL,
    symbol         text NOT NULL,
    server_time_ms bigint NOT NULL,
    sequence_id    bigint NOT NULL,
    received_at    timestamptz NOT NULL,
    bid_prices     double precision[] NOT NULL,
    bid_quantities double precision[] NOT NULL,
    ask_prices     double precision[] NOT NULL,
    ask_quantities double precision[] NOT NULL,
    UNIQUE (venue, symbol, server_time_ms, sequence_id)
);
CREATE VIEW orderbook_levels AS
    SELECT id AS snapshot_id, 'bid'::text AS side, (level - 1)::integer AS level_index, price, quantity
      FROM orderbook_snapshots, unnest(bid_prices, bid_quantities) WITH ORDINALITY AS b (price, quantity, level)
    UNION ALL
    SELECT id, 'ask', (level - 1)::integer, price, quantity
      FROM orderbook_snapshots, unnest(ask_prices, ask_quantities) WITH ORDINALITY AS a (price, quantity, level);

CREATE TABLE api_usage (
    feed    text NOT NULL,
    day     date NOT NULL,
    credits bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (feed, day)
);

-- Bots ----------------------------------------------------------------------------------------------------------------

CREATE TABLE bot_configs (
    name       text PRIMARY KEY,
    symbol     text NOT NULL,
    config     jsonb NOT NULL,
    active     boolean NOT NULL,
    orphaned   boolean NOT NULL DEFAULT false,  -- no longer in the file: exits are kept, entries are not made
    updated_at timestamptz NOT NULL
);

CREATE TABLE bot_states (
    bot                text PRIMARY KEY REFERENCES bot_configs (name),
    status             text NOT NULL DEFAULT 'pending',
    in_position        boolean NOT NULL DEFAULT false,
    paused_by          text CHECK (paused_by IN ('limit', 'user')),  -- the daily reset touches only the first
    day                date,                    -- the bot's own day that the counters belong to
    daily_pnl          numeric NOT NULL DEFAULT 0,
    daily_trades_count integer NOT NULL DEFAULT 0 CHECK (daily_trades_count >= 0),
    lease_token        bigint,                  -- the leader's token; one of an older token is void
    last_run_at        timestamptz,
    last_error_message text
);

-- Orders --------------------------------------------------------------------------------------------------------------

CREATE TABLE positions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bot            text NOT NULL REFERENCES bot_configs (name),
    venue          text NOT NULL,
    symbol         text NOT NULL,
    side           text NOT NULL CHECK (side IN ('long', 'short')),
    position_type  text NOT NULL CHECK (position_type IN ('spot', 'futures')),
    leverage       integer NOT NULL DEFAULT 1 CHECK (leverage BETWEEN 1 AND 125),
    quantity       numeric NOT NULL CHECK (quantity >= 0),   -- what is held now
    entry_quantity numeric NOT NULL DEFAULT 0 CHECK (entry_quantity >= 0),
    entry_price    numeric NOT NULL CHECK (entry_price > 0), -- average of the entry fills, without fees
    exit_quantity  numeric NOT NULL DEFAULT 0 CHECK (exit_quantity >= 0),
    exit_price     numeric,                                  -- average of the exit fills, without fees
    fees           numeric NOT NULL DEFAULT 0,               -- in the quote asset
    realized_pnl   numeric NOT NULL DEFAULT 0,               -- net of all fees paid so far
    dust           numeric NOT NULL DEFAULT 0 CHECK (dust >= 0),
    stop_loss      numeric,
    take_profit    numeric,
    trailing_stop  numeric,
    best_price     numeric NOT NULL,
    exits          jsonb NOT NULL,                           -- the plan as it was at the entry
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz,
    close_reason   text CHECK (close_reason IN ('stop_loss', 'take_profit', 'trailing_stop', 'signal', 'max_holding', 'flatten', 'manual', 'external')),
    version        integer NOT NULL DEFAULT 1,
    CHECK ((closed_at IS NULL) = (close_reason IS NULL)),
    CHECK (closed_at IS NULL OR quantity = 0),
    CHECK (quantity = entry_quantity - exit_quantity - dust),
    CHECK (position_type = 'futures' OR side = 'long')
);
CREATE UNIQUE INDEX position_one_open ON positions (bot, symbol) WHERE closed_at IS NULL;
CREATE INDEX positions_closed ON positions (closed_at) WHERE closed_at IS NOT NULL;

-- Per position one active and at most one retiring group of exits; the orders hang below them.
CREATE TABLE exit_groups (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position_id bigint NOT NULL REFERENCES positions,
    role        text NOT NULL CHECK (role IN ('active', 'retiring', 'closed'))
);
CREATE UNIQUE INDEX exit_group_active ON exit_groups (position_id) WHERE role = 'active';
CREATE UNIQUE INDEX exit_group_retiring ON exit_groups (position_id) WHERE role = 'retiring';
CREATE INDEX exit_groups_position ON exit_groups (position_id);

CREATE TABLE orders (
    id                    bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    client_order_id       text NOT NULL UNIQUE CHECK (client_order_id ~ '^[.A-Z:/a-z0-9_-]{1,36}$'),
    venue_order_id        text,
    position_id           bigint REFERENCES positions,  -- exits: at once; entries: at the first fill
    exit_group_id         bigint REFERENCES exit_groups,
    bot                   text NOT NULL REFERENCES bot_configs (name),
    venue                 text NOT NULL,
    symbol                text NOT NULL,
    role                  text NOT NULL CHECK (role IN ('entry', 'exit')),
    side                  text NOT NULL CHECK (side IN ('buy', 'sell')),
    type                  text NOT NULL CHECK (type IN ('market', 'limit', 'stop_market', 'stop_limit', 'take_profit_market', 'take_profit_limit')),
    time_in_force         text NOT NULL CHECK (time_in_force IN ('gtc', 'ioc', 'fok', 'day')),
    position_type         text NOT NULL CHECK (position_type IN ('spot', 'futures')),
    leverage              integer NOT NULL DEFAULT 1,
    reduce_only           boolean NOT NULL,
    quantity              numeric NOT NULL CHECK (quantity > 0),
    limit_price           numeric CHECK (limit_price > 0),
    stop_price            numeric CHECK (stop_price > 0),
    trigger_price         numeric CHECK (trigger_price > 0),
    exits                 jsonb,                        -- entries: the plan the position will take over
    filled_quantity       numeric NOT NULL DEFAULT 0 CHECK (filled_quantity >= 0),
    venue_filled_quantity numeric,                      -- what the venue says it executed
    average_price         numeric,
    status                text NOT NULL DEFAULT 'pending_new'
                          CHECK (status IN ('pending_new', 'new', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'unknown')),
    reason                text,                         -- why it was made; for rejected ones, why not
    params_hash           text NOT NULL,
    leader_token          bigint NOT NULL,
    send_by               timestamptz NOT NULL,         -- host time: not sent after this
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    settled               boolean NOT NULL GENERATED ALWAYS AS (
                              status IN ('filled', 'canceled', 'rejected', 'expired')
                              AND coalesce(venue_filled_quantity, 0) = filled_quantity
                          ) STORED,
    CHECK ((role = 'exit') = (exit_group_id IS NOT NULL)),
    CHECK (role = 'entry' OR position_id IS NOT NULL)
);
-- An answer may say `filled` before its fills are known: only a settled entry makes room for the next one.
CREATE UNIQUE INDEX order_one_unsettled_entry ON orders (bot, symbol) WHERE role = 'entry' AND NOT settled;
CREATE INDEX orders_unsettled ON orders (venue, id) WHERE NOT settled;
CREATE INDEX orders_position ON orders (position_id);
CREATE INDEX orders_created ON orders (created_at);

-- FIX OrdStatus: a late or repeated report never moves an order backwards. A rejected order may be revived, since the
-- absence of an order is an inference. The same table stands in domain/order.py, and a test compares them.
CREATE FUNCTION orders_guard_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND NOT (NEW.status = ANY (CASE OLD.status
        WHEN 'pending_new'      THEN ARRAY['new', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'unknown']
        WHEN 'unknown'          THEN ARRAY['new', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired']
        WHEN 'new'              THEN ARRAY['partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'unknown']
        WHEN 'partially_filled' THEN ARRAY['filled', 'canceled', 'expired', 'unknown']
        WHEN 'canceled'         THEN ARRAY['filled']
        WHEN 'expired'          THEN ARRAY['filled']
        WHEN 'rejected'         THEN ARRAY['new', 'partially_filled', 'filled', 'canceled']
        ELSE ARRAY[]::text[] END)) THEN
        RAISE EXCEPTION 'order % may not go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_legal_transition';
    END IF;
    IF NEW.client_order_id <> OLD.client_order_id OR NEW.quantity <> OLD.quantity OR NEW.side <> OLD.side
       OR NEW.symbol <> OLD.symbol OR NEW.params_hash <> OLD.params_hash THEN
        RAISE EXCEPTION 'order % is what was sent: its parameters do not change', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_immutable';
    END IF;
    IF NEW.filled_quantity < OLD.filled_quantity THEN
        RAISE EXCEPTION 'order % may not lose fills', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fills_grow';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_guard BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION orders_guard_transition();

CREATE TABLE order_events (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id  bigint NOT NULL REFERENCES orders,
    at        timestamptz NOT NULL,
    status    text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX order_events_order ON order_events (order_id);

CREATE TABLE fills (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES orders,
    position_id bigint NOT NULL REFERENCES positions,
    venue       text NOT NULL,
    symbol      text NOT NULL,
    trade_id    text NOT NULL,
    side        text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity    numeric NOT NULL CHECK (quantity > 0),
    price       numeric NOT NULL CHECK (price > 0),
    fee         numeric NOT NULL,
    fee_asset   text NOT NULL,
    executed_at timestamptz NOT NULL,
    CONSTRAINT fill_once UNIQUE (venue, symbol, trade_id)
);
CREATE INDEX fills_order ON fills (order_id);
CREATE INDEX fills_position ON fills (position_id);
CREATE INDEX fills_executed ON fills (executed_at);

CREATE VIEW trades AS
    SELECT id, bot, venue, symbol, side, entry_quantity AS quantity, entry_price, exit_price, opened_at, closed_at,
           close_reason, realized_pnl, fees
      FROM positions
     WHERE closed_at IS NOT NULL AND entry_quantity > 0;

CREATE TABLE equity_snapshots (
    ts             timestamptz NOT NULL,
    account        text NOT NULL,
    bot            text,                     -- null: the whole account
    equity         numeric NOT NULL,
    cash           numeric NOT NULL,
    exposure       numeric NOT NULL,
    unrealized_pnl numeric NOT NULL
);
CREATE UNIQUE INDEX equity_snapshot_once ON equity_snapshots (ts, account, coalesce(bot, ''));

-- Logs, by month: retention drops partitions ----------------------------------------------------------------------------

CREATE SEQUENCE decision_runs_id;
CREATE TABLE decision_runs (
    id             bigint NOT NULL DEFAULT nextval('decision_runs_id'),
    bot            text NOT NULL,
    candle_ts      timestamptz NOT NULL,
    intent         text NOT NULL CHECK (intent IN ('entry', 'exit', 'none')),
    signal         text NOT NULL,
    reason         text NOT NULL,
    path           text NOT NULL,
    indicators     jsonb NOT NULL,
    order_id       bigint,
    execution_meta jsonb NOT NULL DEFAULT '{}',
    decided_at     timestamptz NOT NULL,
    -- a cycle that is run again cannot enter twice on one candle
    CONSTRAINT decision_once PRIMARY KEY (bot, candle_ts, intent)
) PARTITION BY RANGE (candle_ts);

CREATE SEQUENCE job_runs_id;
CREATE TABLE job_runs (
    id           bigint NOT NULL DEFAULT nextval('job_runs_id'),
    job          text NOT NULL,
    scheduled_at timestamptz,                -- null: by hand
    slot_at      timestamptz NOT NULL,       -- scheduled_at, else started_at; rolled-up rows: their minute
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    status       text NOT NULL CHECK (status IN ('running', 'ok', 'partial', 'failed', 'timeout', 'missed', 'skipped', 'lost')),
    attempt      integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    runs         integer NOT NULL DEFAULT 1 CHECK (runs >= 1),  -- uneventful good runs rolled into this row
    duration_s   double precision,           -- host seconds
    summary      jsonb NOT NULL DEFAULT '{}',
    error        text,
    CHECK ((status = 'running') = (finished_at IS NULL)),
    PRIMARY KEY (id, slot_at)
) PARTITION BY RANGE (slot_at);
CREATE UNIQUE INDEX job_run_once ON job_runs (job, scheduled_at, slot_at) WHERE scheduled_at IS NOT NULL;
CREATE INDEX job_runs_latest ON job_runs (job, slot_at DESC);
CREATE INDEX job_runs_open ON job_runs (job) WHERE status = 'running';

CREATE TABLE dead_letters (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job             text NOT NULL,
    args            jsonb NOT NULL,
    count           integer NOT NULL DEFAULT 1 CHECK (count >= 1),
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    error           text NOT NULL,
    state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retried', 'discarded'))
);
CREATE UNIQUE INDEX dead_letter_one_open ON dead_letters (job, args) WHERE state = 'open';

CREATE TABLE alerts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL,
    severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    subject      text NOT NULL,
    message      text NOT NULL,
    runbook      text,
    raised_at    timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    count        integer NOT NULL DEFAULT 1,
    cleared_at   timestamptz
);
CREATE UNIQUE INDEX alert_one_open ON alerts (code, subject) WHERE cleared_at IS NULL;

-- A partition for the month that *instant* falls into, made on demand by the writer.
CREATE FUNCTION ensure_month(parent text, instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', instant AT TIME ZONE 'UTC')::date;
    name  text := format('%s_%s', parent, to_char(first, 'YYYY_MM'));
BEGIN
    IF to_regclass(name) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext(name));
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent,
                       first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC');
    END IF;
END $$;

-- Drops the monthly partitions of *parent* that hold nothing at or after *keep_from*.
CREATE FUNCTION drop_months(parent text, keep_from timestamptz) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    partition text;
    dropped   text[] := '{}';
BEGIN
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = to_regclass(parent) AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
           AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= keep_from AT TIME ZONE 'UTC'
         ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        dropped := dropped || partition;
    END LOOP;
    RETURN dropped;
END $$;

-- The paper venue's own books: what a real venue would hold, written by nobody else ------------------------------------

CREATE SCHEMA paper;

CREATE TABLE paper.balances (
    venue text NOT NULL,
    asset text NOT NULL,
    total numeric NOT NULL,
    PRIMARY KEY (venue, asset)
);

CREATE TABLE paper.positions (               -- futures, one-way mode; spot holdings are balances
    venue       text NOT NULL,
    symbol      text NOT NULL,
    quantity    numeric NOT NULL,            -- signed
    entry_price numeric NOT NULL,
    leverage    integer NOT NULL,
    PRIMARY KEY (venue, symbol)
);

CREATE TABLE paper.orders (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue           text NOT NULL,
    client_order_id text NOT NULL,
    symbol          text NOT NULL,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    type            text NOT NULL,
    time_in_force   text NOT NULL,
    position_type   text NOT NULL,
    leverage        integer NOT NULL,
    reduce_only     boolean NOT NULL,
    quantity        numeric NOT NULL CHECK (quantity > 0),
    limit_price     numeric,
    stop_price      numeric,
    filled_quantity numeric NOT NULL DEFAULT 0 CHECK (filled_quantity BETWEEN 0 AND quantity),
    status          text NOT NULL,
    reason          text,
    accepted_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    UNIQUE (venue, client_order_id)
);

CREATE TABLE paper.fills (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- the trade id
    order_id    bigint NOT NULL REFERENCES paper.orders,
    venue       text NOT NULL,
    symbol      text NOT NULL,
    side        text NOT NULL,
    quantity    numeric NOT NULL CHECK (quantity > 0),
    price       numeric NOT NULL CHECK (price > 0),
    fee         numeric NOT NULL,
    fee_asset   text NOT NULL,
    executed_at timestamptz NOT NULL
);
CREATE INDEX paper_fills_order ON paper.fills (order_id);
CREATE INDEX paper_fills_executed ON paper.fills (venue, executed_at);
