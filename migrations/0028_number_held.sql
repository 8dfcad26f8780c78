-- Nothing: the number is held, so that the next one may have its own.
SELECT 1;
