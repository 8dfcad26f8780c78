"""Requests and streams of venues and feeds: what every adapter to the outside stands on.

`http` sends one request and says what became of it, in three ways: it provably never left
(`NotSentError`), it left and no whole answer came (`NoAnswerError`), or it was answered, with
whatever status. `allow_list` refuses paths that nobody may call; `rate_limit` is the pure count of
what may be asked, and `gate` the turn that a request waits for; `websocket` is one stream,
`silence` says which of them is too quiet, `backoff` when to connect again; `answers` reads JSON.

Nothing is imported from here before a venue or a feed that needs it is configured.
"""
