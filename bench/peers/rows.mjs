// jsforce's Bulk 2.0 query with one upsert per record: what people really write.
import pg from 'pg';
import { columns, fields, job, records, report, table } from './org.mjs';

const client = new pg.Client(job.Database);
await client.connect();
const names = [...columns, 'connection_id', 'account_type', 'first_seen_run', 'last_seen_run'];
const upsert = {
  name: 'upsert',
  text: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})
    ON CONFLICT (connection_id, sf_id) DO UPDATE SET ${columns.slice(1).map((c) => `${c} = excluded.${c}`).join(', ')}`,
};

const started = performance.now();
const limit = job.Rows > 0 ? ` LIMIT ${job.Rows}` : '';
let rows = 0;
for await (const record of records(`SELECT ${fields.join(', ')} FROM Account WHERE Name != null${limit}`)) {
  await client.query({ ...upsert, values: [...fields.map((f) => record[f] || null), job.Connection, 'customer', 1, 1] });
  rows++;
}
await client.end();
report(started, rows);
