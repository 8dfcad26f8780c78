"""Market data and the hours of markets.

ingest, ingest_state     from a feed to the table, with validate, writer, roll_up and gap_plan
candles, levels          what strategies read
price_cache              the last prices seen, in memory
sessions                 what a session is, with its breaks: of a lunch, of a night
calendars                sessions and breaks as the library's tables have them
declared_breaks          breaks that the configuration adds to a table
assumed_sessions         dates that no table covers
calendar_ends            how far the tables reach; calendar_extension makes longer ones
"""
