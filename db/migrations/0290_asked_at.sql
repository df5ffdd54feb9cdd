-- A window of time ends when Salesforce is asked, which a run that goes on after days does long after its step began.
ALTER TABLE millrace.run_steps ADD COLUMN asked_at timestamptz; -- by the org's clock; what the step reads now was asked for no later
