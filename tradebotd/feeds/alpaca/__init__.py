"""Feed of Alpaca: candles and last prices of shares and coins, asked for and streamed."""
