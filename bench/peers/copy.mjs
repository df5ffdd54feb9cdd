// jsforce's Bulk 2.0 query, streamed into COPY: the fastest script that a user would write. It checks, audits and resumes nothing.
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { job, measured, records } from './org.mjs';

const client = new pg.Client(job.Database);
await client.connect();

const escapes = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
const text = (v) => (v === '' || v == null ? '\\N' : String(v).replace(/[\\\t\n\r]/g, (c) => escapes[c]));

await measured(async (o) => {
  let rows = 0;
  const tail = Object.values(o.fixed).map((v) => `\t${v}`).join('') + '\n';
  const lines = new Transform({
    writableObjectMode: true,
    transform(record, _, done) {
      rows++;
      done(null, o.fields.map((f) => text(record[f])).join('\t') + tail);
    },
  });
  const copy = client.query(from(`COPY ${o.table} (${[...o.columns, ...Object.keys(o.fixed)].join(', ')}) FROM STDIN`));
  await pipeline(Readable.from(records(o)), lines, copy);
  return rows;
});
await client.end();
