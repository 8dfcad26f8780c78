"""Feed of Binance, spot or USDT-M: candles and last prices, asked for and streamed."""
