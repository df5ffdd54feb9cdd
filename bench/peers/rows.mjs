// jsforce's Bulk 2.0 query with one upsert per record: what people really write.
import pg from 'pg';
import { job, measured, records } from './org.mjs';

const client = new pg.Client(job.Database);
await client.connect();

await measured(async (o) => {
  const names = [...o.columns, ...Object.keys(o.fixed)];
  const upsert = {
    name: `upsert ${o.object}`,
    text: `INSERT INTO ${o.table} (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})
      ON CONFLICT (connection_id, sf_id) DO UPDATE SET ${o.columns.slice(1).map((c) => `${c} = excluded.${c}`).join(', ')}`,
  };
  let rows = 0;
  for await (const record of records(o, job.Rows > 0 ? ` LIMIT ${job.Rows}` : '')) {
    await client.query({ ...upsert, values: [...o.fields.map((f) => record[f] || null), ...Object.values(o.fixed)] });
    rows++;
  }
  return rows;
});
await client.end();
