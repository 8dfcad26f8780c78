-- `daily_pnl` is in the account's currency now. What was counted today in another quote asset is off until the next daily reset.

ALTER TABLE bot_states
    ADD COLUMN daily_unconverted jsonb NOT NULL DEFAULT '{}';   -- amounts by asset, as text, that no rate was known of
