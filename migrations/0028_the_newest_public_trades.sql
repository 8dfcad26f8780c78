-- Recording goes on behind the newest trade of each symbol, every ten seconds: it must not look at all of them for it.
CREATE INDEX market_trades_newest ON market_trades (venue, symbol, executed_at DESC);
