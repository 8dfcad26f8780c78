-- Lots, ticks, limits and the status of a symbol change while orders rest. Each version that a venue told is kept, so that
-- an order can be compared with the filters of its time, and a start without the venue has the last good ones.
CREATE TABLE instrument_versions (
    venue   text        NOT NULL,
    symbol  text        NOT NULL,
    version integer     NOT NULL CHECK (version > 0),
    seen_at timestamptz NOT NULL,
    filters jsonb       NOT NULL,
    PRIMARY KEY (venue, symbol, version)
);
