// What both scripts need: the job from the command line, a connection to the org, and a way to report.
import { readFileSync } from 'node:fs';
import jsforce from 'jsforce';

export const job = JSON.parse(process.argv[2]);
export const table = `millrace.accounts_${job.Connection}`;
export const fields = ['Id', 'Name', 'Website', 'Type', 'Industry', 'Description', 'OwnerId', 'SystemModstamp'];
export const columns = ['sf_id', 'name', 'website', 'sf_type', 'industry', 'description', 'owner_id', 'system_modstamp'];

export const org = new jsforce.Connection({ instanceUrl: job.Org, accessToken: job.Token, version: '66.0' });
org.bulk2.pollInterval = 100;
org.bulk2.pollTimeout = 600_000;

// report prints the measure on the last line: seconds, rows and the greatest resident memory in bytes.
export function report(started, rows) {
  const peak = readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)[1];
  console.log(JSON.stringify({ Seconds: (performance.now() - started) / 1000, Rows: rows, RSS: Number(peak) * 1024 }));
}
