-- Conversations that the operator's endpoint for sentiments refused: others are asked about first, and the same text not for ever.
CREATE TABLE millrace.sentiment_refusals (
    connection_id bigint  NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    case_id       text    NOT NULL COLLATE "C",
    method        text    NOT NULL,
    text_hash     text    NOT NULL,
    attempts      integer NOT NULL,
    PRIMARY KEY (connection_id, case_id)
);
COMMENT ON TABLE millrace.sentiment_refusals IS 'Conversations that the endpoint for sentiments answered with a refusal, or in no form that can be read';
COMMENT ON COLUMN millrace.sentiment_refusals.case_id IS 'The Salesforce Id of the case';
COMMENT ON COLUMN millrace.sentiment_refusals.method IS 'What was asked, as in sentiment_method';
COMMENT ON COLUMN millrace.sentiment_refusals.text_hash IS 'SHA-256 of the text that was refused: another text is asked about anew';
COMMENT ON COLUMN millrace.sentiment_refusals.attempts IS 'How often the text was refused';
