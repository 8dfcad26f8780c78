"""Feed of Twelve Data: candles and last prices, within the credits of the plan."""
