// jsforce's Bulk 2.0 query, streamed into COPY: the fastest script that a user would write. It checks, audits and resumes nothing.
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { columns, fields, job, records, report, table } from './org.mjs';

const started = performance.now();
const client = new pg.Client(job.Database);
await client.connect();
let rows = 0;

const escapes = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
const text = (v) => (v === '' || v == null ? '\\N' : String(v).replace(/[\\\t\n\r]/g, (c) => escapes[c]));
const lines = new Transform({
  writableObjectMode: true,
  transform(record, _, done) {
    rows++;
    done(null, fields.map((f) => text(record[f])).join('\t') + `\t${job.Connection}\tcustomer\t1\t1\n`);
  },
});

const copy = client.query(from(`COPY ${table} (${columns.join(', ')}, connection_id, account_type, first_seen_run, last_seen_run) FROM STDIN`));
await pipeline(Readable.from(records(`SELECT ${fields.join(', ')} FROM Account WHERE Name != null`)), lines, copy);
await client.end();
report(started, rows);
