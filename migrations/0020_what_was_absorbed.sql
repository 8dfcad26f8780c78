-- Cash that changes by less than is noticed counts as gain or loss. When our books have it later, perhaps several in one, it is
-- not gained or lost a second time.
ALTER TABLE purses ADD COLUMN absorbed numeric NOT NULL DEFAULT 0;  -- what changed so, and our books do not have
