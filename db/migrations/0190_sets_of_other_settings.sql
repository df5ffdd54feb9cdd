-- What is known of records that were read by other settings than their accounts: they are read in full once more.

DELETE FROM millrace.read_states c
 WHERE c.parent_table <> ''
   AND NOT EXISTS (SELECT FROM millrace.read_states p
                     JOIN millrace.runs pr ON pr.id = p.run_id
                     JOIN millrace.runs cr ON cr.id = c.run_id
                    WHERE p.connection_id = c.connection_id AND p.table_name = 'accounts' AND pr.settings_version = cr.settings_version);
