ALTER TABLE millrace.run_units ADD COLUMN ticket bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN millrace.run_units.ticket IS 'What whoever claimed it last called the wish for a page: a wish whose answer got lost is made again by the same name, and finds the page that it had';
