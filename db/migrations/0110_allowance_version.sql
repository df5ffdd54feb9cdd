-- Two people who change the allowance of API requests at once notice each other.

ALTER TABLE millrace.api_budgets
    ADD COLUMN version    integer NOT NULL DEFAULT 0,                                -- how often the allowance was changed
    ADD COLUMN changed_by bigint REFERENCES millrace.users (id) ON DELETE SET NULL;  -- by whom last
COMMENT ON COLUMN millrace.api_budgets.version IS 'How often the allowance was changed';
COMMENT ON COLUMN millrace.api_budgets.changed_by IS 'Who changed the allowance last';
