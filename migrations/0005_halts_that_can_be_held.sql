-- An entry's row is written while both halts are held FOR SHARE, so that a halt that commits later comes after it: there
-- must always be a row to hold. The value null: no halt.

INSERT INTO settings (key, value) VALUES ('halt', 'null'), ('account_halt', 'null')
ON CONFLICT (key) DO NOTHING;
