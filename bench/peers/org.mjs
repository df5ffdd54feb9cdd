// What both scripts need: the job from the command line, a connection to the org, and a way to report.
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import jsforce from 'jsforce';
import { QueryJobV2 } from 'jsforce/lib/api/bulk2.js';
import { Parsable } from 'jsforce/lib/record-stream.js';

export const job = JSON.parse(process.argv[2]);

const of = (object, table, where, columns, fixed) => ({
  object, where, fields: Object.keys(columns), columns: Object.values(columns), table: `millrace.${table}_${job.Connection}`,
  fixed: { connection_id: job.Connection, first_seen_run: 1, last_seen_run: 1, ...fixed },
});

// The objects, what is read of them, and where each field goes.
export const objects = [
  of('Account', 'accounts', 'Name != null', {
    Id: 'sf_id', Name: 'name', Website: 'website', Type: 'sf_type', Industry: 'industry', Description: 'description', OwnerId: 'owner_id', SystemModstamp: 'system_modstamp',
  }, { account_type: 'customer' }),
  of('Contact', 'contacts', 'Account.Name != null AND AccountId != null', {
    Id: 'sf_id', AccountId: 'account_id', FirstName: 'first_name', LastName: 'last_name', Email: 'email', Phone: 'phone', Title: 'title', Department: 'department',
    OwnerId: 'owner_id', SystemModstamp: 'system_modstamp',
  }, {}),
];

export const org = new jsforce.Connection({ instanceUrl: job.Org, accessToken: job.Token, version: '66.0' });
org.bulk2.pollInterval = 100;
org.bulk2.pollTimeout = 600_000;

// records runs a bulk query and yields its records. jsforce starts the job, polls it and parses the CSV; the pages are fetched here, one after the other,
// because bulk2.query() pipes the pages of a longer result into one parser at the same time, which then meets them interleaved.
export async function* records(o, limit = '') {
  const query = `SELECT ${o.fields.join(', ')} FROM ${o.object} WHERE ${o.where}${limit}`;
  const bulk = new QueryJobV2(org, { bodyParams: { query, operation: 'query' }, pollingOptions: org.bulk2 });
  await bulk.open();
  await bulk.poll(org.bulk2.pollInterval, org.bulk2.pollTimeout);
  for (let locator = ''; locator !== 'null'; ) {
    const page = await fetch(`${job.Org}/services/data/v66.0/jobs/query/${bulk.id}/results?maxRecords=50000&locator=${locator}`, {
      headers: { authorization: `Bearer ${job.Token}`, accept: 'text/csv' },
    });
    if (!page.ok) throw new Error(`HTTP ${page.status}: ${await page.text()}`);
    locator = page.headers.get('sforce-locator');
    const parsed = new Parsable();
    Readable.fromWeb(page.body).pipe(parsed.stream('csv'));
    yield* parsed;
  }
}

// measured calls take for each object, which returns how many rows it took, and prints the measure on the last line: seconds, rows and the greatest resident memory in bytes.
export async function measured(take) {
  const Of = {};
  let Rows = 0;
  for (const o of objects) {
    const started = performance.now();
    Rows += await take(o);
    Of[o.object] = (performance.now() - started) / 1000;
  }
  const peak = readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)[1];
  console.log(JSON.stringify({ Seconds: Of.Account + Of.Contact, Of, Rows, RSS: Number(peak) * 1024 }));
}
