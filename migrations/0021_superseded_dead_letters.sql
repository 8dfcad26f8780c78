-- A run that failed for good waits for nobody once a later run has done what it left undone.
ALTER TABLE dead_letters
    DROP CONSTRAINT dead_letters_state_check,
    ADD CONSTRAINT dead_letters_state_check CHECK (state IN ('open', 'retried', 'discarded', 'superseded')),
    ADD COLUMN superseded_by bigint CHECK (superseded_by IS NULL OR state <> 'open');  -- the run: job_runs.id
