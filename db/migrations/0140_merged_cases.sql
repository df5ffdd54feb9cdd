CREATE OR REPLACE VIEW salesforce."case" AS
SELECT connection_id, sf_id AS id, case_number, account_id, contact_id, owner_id, subject, status, priority, sf_type AS type, origin, created_at, closed_at,
       is_closed, is_escalated, sentiment, sentiment_label, sentiment_method, fields, system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at,
       salesforce.label(connection_id, 'Case', 'Status', status) AS status_label,
       salesforce.label(connection_id, 'Case', 'Priority', priority) AS priority_label,
       salesforce.label(connection_id, 'Case', 'Type', sf_type) AS type_label,
       salesforce.label(connection_id, 'Case', 'Origin', origin) AS origin_label,
       merged_into_id
  FROM millrace.cases
 WHERE cases.left_filter_at IS NULL OR NOT EXISTS (SELECT FROM millrace.connections k WHERE k.id = cases.connection_id AND k.leavers = 'archive');
COMMENT ON COLUMN salesforce."case".merged_into_id IS 'The record into which this one was merged in Salesforce';
