// Drives a simulated org with an unmodified jsforce. Every step asserts what a client of the real service may count on; the first failure ends
// the script with status 1. Usage: node jsforce.mjs <origin> <client id> <client secret> <username> <password>
import assert from "node:assert/strict";
import jsforce from "jsforce";

const [origin, clientId, clientSecret, username, password] = process.argv.slice(2);
const redirectUri = "http://127.0.0.1:3000/oauth/callback";

async function control(action, body = {}) {
  const res = await fetch(`${origin}/control/${action}`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const out = await res.json();
  assert.equal(res.status, 200, JSON.stringify(out));
  return out;
}

async function truth(object) {
  const res = await fetch(`${origin}/control/records?object=${object}`);
  return (await res.text()).trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

// approve walks through the sign-in and consent pages as a browser without scripts would and returns the callback's parameters.
async function approve(url, decision) {
  const secret = (html) => /name="confirm" value="([^"]*)"/.exec(html)[1];
  const form = (fields) => ({ method: "POST", redirect: "manual", body: new URLSearchParams(fields) });
  const signIn = await fetch(url, form({ username, password }));
  assert.equal(signIn.status, 303);
  const cookie = signIn.headers.get("set-cookie").split(";")[0];
  const consentURL = new URL(signIn.headers.get("location"), origin);
  const page = await fetch(consentURL, { headers: { cookie }, redirect: "manual" });
  assert.equal(page.status, 200);
  const answer = await fetch(consentURL, { ...form({ decision, confirm: secret(await page.text()) }), headers: { cookie } });
  assert.equal(answer.status, 302);
  return new URL(answer.headers.get("location")).searchParams;
}

const steps = [];
const step = (name, fn) => steps.push([name, fn]);
let conn;
const oauth2 = new jsforce.OAuth2({ loginUrl: origin, clientId, clientSecret, redirectUri, useVerifier: true });

step("web-server flow: deny, then allow with PKCE", async () => {
  const denied = await approve(oauth2.getAuthorizationUrl({ scope: "api id refresh_token", state: "s 1" }), "deny");
  assert.equal(denied.get("error"), "access_denied");
  assert.equal(denied.get("state"), "s 1");
  const allowed = await approve(oauth2.getAuthorizationUrl({ scope: "api id refresh_token", state: "s&2" }), "allow");
  assert.equal(allowed.get("state"), "s&2");
  conn = new jsforce.Connection({ oauth2, version: "60.0" });
  const user = await conn.authorize(allowed.get("code"));
  assert.match(user.organizationId, /^00D\w{15}$/);
  assert.match(conn.accessToken, /^(00D\w{12,15})![.\w]*$/);
  assert.ok(conn.refreshToken);
  await assert.rejects(conn.authorize(allowed.get("code")), /expired authorization code/);
});

step("identity", async () => {
  const id = await conn.identity();
  assert.equal(id.username, username);
  assert.match(id.urls.rest, /\/services\/data\//);
});

step("versions and limits", async () => {
  const versions = await conn.request("/services/data");
  assert.equal(versions.at(-1).version, "67.0");
  const limits = await conn.request(`/services/data/v${conn.version}/limits`);
  assert.ok(limits.DailyApiRequests.Max > limits.DailyApiRequests.Remaining);
  assert.ok(conn.limitInfo.apiUsage.used > 0);
});

step("describe", async () => {
  const global = await conn.describeGlobal();
  assert.ok(global.sobjects.some((o) => o.name === "Success_Plan__c" && o.custom));
  const account = await conn.describe("Account");
  const tier = account.fields.find((f) => f.name === "Tier__c");
  assert.deepEqual(tier.picklistValues.map((p) => p.value), ["Strategic", "Enterprise", "Mid-Market", "SMB"]);
  assert.ok(account.childRelationships.some((r) => r.relationshipName === "Contacts" && r.childSObject === "Contact"));
  assert.equal(account.recordTypeInfos.at(-1).recordTypeId, "012000000000000AAA");
  assert.equal((await conn.sobject("Account").describe()).keyPrefix, "001");
  assert.deepEqual((await conn.sobject("Account").layouts()).layouts, []);
  assert.deepEqual((await conn.sobject("Account").compactLayouts()).compactLayouts, []);
  assert.deepEqual((await conn.sobject("Account").approvalLayouts()).approvalLayouts, []);
  assert.equal((await conn.sobject("Account").listviews()).size, 0);
  assert.deepEqual(await conn.sobject("Account").quickActions(), []);
});

step("session refresh when the access token expires", async () => {
  let refreshed = 0;
  conn.on("refresh", () => refreshed++);
  const before = conn.accessToken;
  await control("expire");
  const [a, b] = await Promise.all([conn.query("SELECT Id FROM Account LIMIT 1"), conn.query("SELECT COUNT() FROM Contact")]);
  assert.equal(a.records.length, 1);
  assert.ok(b.totalSize > 0);
  assert.notEqual(conn.accessToken, before);
  assert.equal(refreshed, 1);
});

step("query in pages, queryMore, autoFetch, parents and children", async () => {
  const contacts = await truth("Contact");
  const first = await conn.query("SELECT Id, LastName FROM Contact ORDER BY Id", { headers: { "Sforce-Query-Options": "batchSize=200" } });
  assert.equal(first.totalSize, contacts.length);
  assert.equal(first.done, false);
  assert.match(first.nextRecordsUrl, /\/query\/01g\w{15}-\d+$/);
  const second = await conn.queryMore(first.nextRecordsUrl);
  assert.notEqual(second.records[0].Id, first.records[0].Id);
  const all = await conn.query("SELECT Id, Email, Account.Name, Account.Owner.Name FROM Contact", { autoFetch: true, maxFetch: 100000 });
  assert.equal(all.records.length, contacts.length);
  const byId = new Map(contacts.map((c) => [c.Id, c]));
  for (const c of all.records) assert.equal(c.Email, byId.get(c.Id).Email);
  const parents = await conn.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account");
  let children = 0;
  for (const p of parents.records) children += p.Contacts ? p.Contacts.totalSize : 0;
  assert.equal(children, contacts.filter((c) => c.AccountId).length);
  await assert.rejects(conn.query("SELECT Nmae FROM Account"), (e) => e.errorCode === "INVALID_FIELD" && /ERROR at Row:1:Column:8/.test(e.message));
  await assert.rejects(conn.queryMore("01g000000000000AAA-2000"), (e) => e.errorCode === "INVALID_QUERY_LOCATOR");
});

step("Bulk 2.0 query", async () => {
  const accounts = await truth("Account");
  const rows = await (await conn.bulk2.query("SELECT Id, Name, Description, Owner.Name, ARR__c, Renewal_Date__c FROM Account")).toArray();
  assert.equal(rows.length, accounts.length);
  const byId = new Map(accounts.map((a) => [a.Id, a]));
  for (const r of rows) {
    const a = byId.get(r.Id);
    assert.equal(r.Name, a.Name);
    assert.equal(r.Description ?? "", a.Description ?? "");
    assert.equal(Number(r.ARR__c || 0), Number(a.ARR__c ?? 0));
  }
  const none = await (await conn.bulk2.query("SELECT Id FROM Account WHERE Name = 'nobody'")).toArray();
  assert.equal(none.length, 0);
});

step("create, retrieve, update, upsert, delete", async () => {
  const accounts = conn.sobject("Account");
  const made = await accounts.create({ Name: " Zeta & Söhne ", Type: "Customer", ARR__c: 1234.5, ERP_Number__c: "X-1" });
  assert.ok(made.success);
  const got = await accounts.retrieve(made.id);
  assert.equal(got.Name, "Zeta & Söhne");
  assert.equal(got.ARR__c, 1234.5);
  await accounts.update({ Id: made.id, Type: "Prospect", ARR__c: null });
  assert.equal((await accounts.retrieve(made.id)).ARR__c, null);
  const up = await accounts.upsert({ ERP_Number__c: "X-1", Name: "Zeta" }, "ERP_Number__c");
  assert.equal(up.id, made.id);
  const fresh = await accounts.upsert({ ERP_Number__c: "X-2", Name: "Eta" }, "ERP_Number__c");
  assert.ok(fresh.created);
  await assert.rejects(accounts.create({ Type: "Customer" }), (e) => e.errorCode === "REQUIRED_FIELD_MISSING");
  await assert.rejects(accounts.create({ Name: "x", Tier__c: "Platinum" }), (e) => e.errorCode === "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
  await assert.rejects(accounts.create({ Name: "x", ERP_Number__c: "X-2" }), (e) => e.errorCode === "DUPLICATE_VALUE");
  await accounts.destroy(fresh.id);
  await assert.rejects(accounts.retrieve(fresh.id), (e) => e.errorCode === "ENTITY_IS_DELETED");
  const bin = await conn.query(`SELECT Id, IsDeleted FROM Account WHERE ERP_Number__c = 'X-2'`, { scanAll: true });
  assert.equal(bin.records[0].IsDeleted, true);
});

step("collections", async () => {
  const accounts = conn.sobject("Account");
  const made = await accounts.create([{ Name: "A1" }, { Type: "Customer" }, { Name: "A3" }]);
  assert.deepEqual(made.map((r) => r.success), [true, false, true]);
  const ids = [made[0].id, made[2].id];
  const changed = await accounts.update(ids.map((Id) => ({ Id, Site: "here" })));
  assert.ok(changed.every((r) => r.success));
  const back = await accounts.retrieve(ids);
  assert.deepEqual(back.map((r) => r.Site), ["here", "here"]);
  const gone = await accounts.destroy(ids);
  assert.ok(gone.every((r) => r.success));
  const all = await accounts.create([{ Name: "B1" }, { Site: "nameless" }], { allOrNone: true });
  assert.deepEqual(all.map((r) => r.errors[0].statusCode), ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]);
  assert.equal((await conn.query("SELECT COUNT() FROM Account WHERE Name = 'B1'")).totalSize, 0);
});

step("Bulk 2.0 ingest", async () => {
  const job = conn.bulk2.createJob({ object: "Contact", operation: "insert" });
  await job.open();
  await job.uploadData('LastName,Email\n"O""Hara",o@example.com\n,missing@example.com\n');
  await job.close();
  await job.poll();
  const { successfulResults, failedResults } = await job.getAllResults();
  assert.equal(successfulResults.length, 1);
  assert.match(failedResults[0].sf__Error, /^REQUIRED_FIELD_MISSING:.*:LastName--$/);
  const [one] = (await conn.query(`SELECT LastName FROM Contact WHERE Id = '${successfulResults[0].sf__Id}'`)).records;
  assert.equal(one.LastName, 'O"Hara');
  const loaded = await conn.bulk2.loadAndWaitForResults({ object: "Contact", operation: "delete", input: [{ Id: successfulResults[0].sf__Id }] });
  assert.equal(loaded.successfulResults.length, 1);
});

step("updated and deleted", async () => {
  const start = new Date(Date.now() - 3600_000), end = new Date(Date.now() + 120_000);
  const updated = await conn.sobject("Account").updated(start, end);
  assert.ok(updated.ids.length > 0);
  const deleted = await conn.sobject("Account").deleted(start, end);
  assert.ok(deleted.deletedRecords.length >= 3);
});

step("metadata: a custom object, invisible fields, a permission set", async () => {
  const [object] = [await conn.metadata.upsert("CustomObject", [{
    fullName: "Request__c", label: "Request", pluralLabel: "Requests", nameField: { type: "AutoNumber", label: "Request Number", displayFormat: "REQ-{00000}" },
    deploymentStatus: "Deployed", sharingModel: "ReadWrite", enableFeeds: true,
    fields: [
      { fullName: "Account__c", label: "Account", type: "Lookup", referenceTo: "Account", relationshipName: "Requests" },
      { fullName: "External_Id__c", label: "External Id", type: "Text", length: 64, externalId: true, unique: true },
    ],
  }])].flat();
  assert.equal(object.success, true, JSON.stringify(object));
  assert.equal(object.created, true);
  const field = [await conn.metadata.create("CustomField", [{ fullName: "Request__c.Details__c", label: "Details", type: "LongTextArea", length: 32768, visibleLines: 5 }])].flat()[0];
  assert.equal(field.success, true, JSON.stringify(field));
  const again = [await conn.metadata.create("CustomField", [{ fullName: "Request__c.Details__c", label: "Details", type: "LongTextArea", length: 32768, visibleLines: 5 }])].flat()[0];
  assert.equal(again.success, false);
  await assert.rejects(conn.query("SELECT Details__c FROM Request__c"), (e) => e.errorCode === "INVALID_FIELD");
  const set = await conn.sobject("PermissionSet").create({ Name: "Sync_Integration", Label: "Sync" });
  const user = (await conn.identity()).user_id;
  const granted = await conn.sobject("FieldPermissions").create(["Details__c", "Account__c", "External_Id__c"].map((f) =>
    ({ ParentId: set.id, SobjectType: "Request__c", Field: `Request__c.${f}`, PermissionsRead: true, PermissionsEdit: true })));
  assert.ok(granted.every((g) => g.success), JSON.stringify(granted));
  await conn.sobject("PermissionSetAssignment").create({ AssigneeId: user, PermissionSetId: set.id });
  const account = (await conn.query("SELECT Id FROM Account LIMIT 1")).records[0].Id;
  const request = await conn.sobject("Request__c").create({ Details__c: "please", Account__c: account, External_Id__c: "r-1" });
  const [row] = (await conn.query("SELECT Name, Details__c, Account__r.Name FROM Request__c")).records;
  assert.match(row.Name, /^REQ-\d{5}$/);
  assert.ok(row.Account__r.Name);
  assert.ok(request.success);
  const read = await conn.metadata.read("CustomObject", "Request__c");
  assert.equal(read.label, "Request");
  assert.ok((await conn.metadata.list([{ type: "CustomObject" }])).some((m) => m.fullName === "Request__c"));
  assert.ok((await conn.metadata.describe("60.0")).metadataObjects.length > 0);
});

step("tooling", async () => {
  const out = await conn.tooling.query("SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName = 'Account'");
  assert.equal(out.records.length, 1);
});

step("composite and batch", async () => {
  const out = await conn.requestPost(`/services/data/v${conn.version}/composite`, {
    allOrNone: true,
    compositeRequest: [
      { method: "POST", url: `/services/data/v${conn.version}/sobjects/Account`, referenceId: "acc", body: { Name: "Composite" } },
      { method: "POST", url: `/services/data/v${conn.version}/sobjects/Contact`, referenceId: "con", body: { LastName: "C", AccountId: "@{acc.id}" } },
    ],
  });
  assert.deepEqual(out.compositeResponse.map((r) => r.httpStatusCode), [201, 201]);
  const batch = await conn.requestPost(`/services/data/v${conn.version}/composite/batch`, {
    batchRequests: [{ method: "GET", url: `v${conn.version}/limits` }, { method: "GET", url: `v${conn.version}/sobjects/Nope` }],
  });
  assert.equal(batch.hasErrors, true);
  assert.deepEqual(batch.results.map((r) => r.statusCode), [200, 404]);
});

step("SOAP login", async () => {
  const soap = new jsforce.Connection({ loginUrl: origin, version: "60.0" });
  const user = await soap.login(username, password);
  assert.equal(user.organizationId.slice(0, 3), "00D");
  assert.ok((await soap.query("SELECT Id FROM User")).totalSize > 5);
  await assert.rejects(new jsforce.Connection({ loginUrl: origin, version: "60.0" }).login(username, "wrong"), /INVALID_LOGIN/);
});

// jsforce 3.10.16 pipes every page of a bulk result into one CSV parser without waiting for the page before to end (QueryJobV2.result in
// lib/api/bulk2.js), so that the rows of a result longer than one page come out mixed up or end in a CsvError. That is its own doing: the pages as the org
// sends them, read one after the other by their locators, are the whole result in order.
step("Bulk 2.0 query in pages, by locator", async () => {
  const contacts = await truth("Contact");
  const job = await conn.requestPost(`/services/data/v${conn.version}/jobs/query`, { operation: "query", query: "SELECT Id FROM Contact ORDER BY Id" });
  const ids = [];
  let locator = "", pages = 0;
  do {
    const page = await fetch(`${conn.instanceUrl}/services/data/v${conn.version}/jobs/query/${job.id}/results?maxRecords=100${locator && `&locator=${locator}`}`,
      { headers: { authorization: `Bearer ${conn.accessToken}` } });
    const rows = (await page.text()).trim().split("\n").slice(1).map((line) => line.slice(1, -1));
    assert.equal(rows.length, Number(page.headers.get("sforce-numberofrecords")));
    ids.push(...rows);
    locator = page.headers.get("sforce-locator");
    pages++;
  } while (locator !== "null");
  assert.ok(pages > 2);
  assert.deepEqual(ids, contacts.map((c) => c.Id));
});

step("Bulk 2.0 ingest: every operation, aborting and deleting jobs", async () => {
  const load = (operation, input, more = {}) => conn.bulk2.loadAndWaitForResults({ object: "Account", operation, input, ...more });
  const made = await load("insert", [{ Name: "Bulk A", ERP_Number__c: "BA" }, { Name: "Bulk B", ERP_Number__c: "BB" }]);
  assert.equal(made.successfulResults.length, 2);
  assert.ok(made.successfulResults.every((r) => r.sf__Created === "true"));
  const [a, b] = made.successfulResults.map((r) => r.sf__Id);
  assert.equal((await load("update", [{ Id: a, Site: "x" }])).successfulResults.length, 1);
  const up = await load("upsert", [{ ERP_Number__c: "BA", Name: "Bulk A", Site: "y" }, { ERP_Number__c: "BC", Name: "Bulk C", Site: "" }], { externalIdFieldName: "ERP_Number__c" });
  assert.deepEqual(up.successfulResults.map((r) => r.sf__Created), ["false", "true"]);
  assert.equal((await conn.sobject("Account").retrieve(a)).Site, "y");
  assert.equal((await load("delete", [{ Id: a }])).successfulResults.length, 1);
  assert.equal((await load("hardDelete", [{ Id: b }])).successfulResults.length, 1);
  assert.equal((await conn.query(`SELECT Id FROM Account WHERE Id = '${b}'`, { scanAll: true })).totalSize, 0);
  const job = conn.bulk2.createJob({ object: "Account", operation: "insert" });
  await job.open();
  await job.uploadData("Name\nNever\n");
  await job.abort();
  assert.equal((await job.check()).state, "Aborted");
  await job.delete();
  assert.equal((await conn.query("SELECT COUNT() FROM Account WHERE Name = 'Never'")).totalSize, 0);
  assert.equal((await load("insert", [{ Nonsense__c: "x" }])).failedResults.length, 1);
});

step("sobject helpers: find, findOne, count, select, explain", async () => {
  const accounts = conn.sobject("Account");
  const customers = (await truth("Account")).filter((a) => a.Type === "Customer");
  assert.equal(await accounts.count({ Type: "Customer" }), customers.length);
  const found = await accounts.find({ Type: "Customer", Name: { $ne: "x" } }, ["Id", "Name"]).sort({ Name: 1 }).limit(3).execute();
  assert.equal(found.length, 3);
  assert.equal((await accounts.findOne({ Id: customers[0].Id })).Id, customers[0].Id);
  const withContacts = await accounts.select("Id, Name").include("Contacts").select("Id").limit(1).end().limit(2).execute();
  assert.equal(withContacts.length, 2);
  const plan = await accounts.find({ Id: customers[0].Id }).explain();
  assert.equal(plan.plans[0].leadingOperationType, "Index");
  const record = accounts.record(customers[0].Id);
  assert.equal((await record.retrieve()).Name, customers[0].Name);
  const events = [];
  await new Promise((resolve, reject) => {
    conn.query("SELECT Id FROM Account LIMIT 7").on("record", (r) => events.push(r.Id)).on("end", resolve).on("error", reject).run();
  });
  assert.equal(events.length, 7);
});

step("what a user interface asks for: recent, tabs, theme, limits, quick actions", async () => {
  assert.ok(Array.isArray(await conn.recent()));
  assert.ok(Array.isArray(await conn.tabs()));
  assert.ok((await conn.theme()).themeItems);
  assert.ok((await conn.limits()).DailyApiRequests.Max > 0);
  assert.ok(Array.isArray(await conn.quickActions()));
});

step("search", async () => {
  await conn.sobject("Account").create({ Name: "Quixotic Windmills" });
  const { searchRecords } = await conn.search("FIND {quixotic} IN NAME FIELDS RETURNING Account(Id, Name)");
  assert.deepEqual(searchRecords.map((r) => r.Name), ["Quixotic Windmills"]);
  await assert.rejects(conn.search("FIND quixotic"), (e) => e.errorCode === "MALFORMED_SEARCH");
});

step("feeds", async () => {
  const account = (await conn.query("SELECT Id FROM Account LIMIT 1")).records[0].Id;
  const post = await conn.chatter.resource("/feed-elements").create({ feedElementType: "FeedItem", subjectId: account, body: { messageSegments: [{ type: "Text", text: "hi" }] } });
  assert.equal(post.body.text, "hi");
  const feed = await conn.chatter.resource(`/feeds/record/${account}/feed-elements`).retrieve();
  assert.equal(feed.elements[0].id, post.id);
  assert.equal((await conn.query(`SELECT Body FROM FeedItem WHERE Id = '${post.id}'`)).records[0].Body, "hi");
});

step("metadata: update, read several, delete", async () => {
  const one = (r) => [r].flat()[0];
  const field = { fullName: "Account.Nickname__c", label: "Nickname", type: "Text", length: 20 };
  assert.equal(one(await conn.metadata.create("CustomField", [field])).success, true);
  const changed = one(await conn.metadata.update("CustomField", [{ ...field, label: "Pet name" }]));
  assert.equal(changed.success, true, JSON.stringify(changed));
  assert.equal((await conn.metadata.read("CustomField", "Account.Nickname__c")).label, "Pet name");
  assert.equal((await conn.metadata.read("CustomObject", ["Account", "Contact"])).length, 2);
  assert.equal(one(await conn.metadata.delete("CustomField", ["Account.Nickname__c"])).success, true);
  assert.equal((await conn.tooling.query("SELECT DeveloperName FROM CustomField WHERE DeveloperName = 'Nickname'")).totalSize, 0);
  const made = await conn.tooling.sobject("CustomField").create({ FullName: "Account.Nickname__c", Metadata: { label: "Nickname", type: "Text", length: 20 } });
  assert.ok(made.success);
  assert.ok((await conn.tooling.describeGlobal()).sobjects.some((o) => o.name === "CustomField"));
  const fields = conn.tooling.sobject("CustomField");
  assert.ok((await fields.describe()).fields.some((f) => f.name === "TableEnumOrId"));
  const [found] = (await conn.tooling.query("SELECT Id FROM CustomField WHERE DeveloperName = 'Nickname'")).records;
  assert.equal(found.Id, made.id);
  const got = await fields.retrieve(made.id);
  assert.equal(got.FullName, "Account.Nickname__c");
  assert.equal(got.Metadata.length, 20);
  await fields.update({ Id: made.id, Metadata: { ...got.Metadata, label: "By-name" } });
  assert.equal((await conn.metadata.read("CustomField", "Account.Nickname__c")).label, "By-name");
  await fields.destroy(made.id);
  await assert.rejects(fields.retrieve(made.id), (e) => e.errorCode === "NOT_FOUND");
  assert.equal((await conn.tooling.query("SELECT Id FROM CustomField WHERE DeveloperName = 'Nickname'")).totalSize, 0);
  const next = await fields.create({ FullName: "Account.Nickname__c", Metadata: { label: "Nickname", type: "Text", length: 20 } });
  assert.notEqual(next.id, made.id);
});

step("sobject helpers that write: update and delete what a query finds, upsert and create many", async () => {
  const accounts = conn.sobject("Account");
  const made = await accounts.create(Array.from({ length: 230 }, (_, i) => ({ Name: `Many ${i}`, ERP_Number__c: `many-${i}` })), { allowRecursive: true });
  assert.equal(made.filter((r) => r.success).length, 230);
  const up = await accounts.upsert([{ ERP_Number__c: "many-1", Site: "a" }, { ERP_Number__c: "many-x", Name: "Many X" }], "ERP_Number__c");
  assert.deepEqual(up.map((r) => r.created), [false, true]);
  const changed = await accounts.find({ Name: { $like: "Many %" } }).update({ Site: "${Name}!" }, { bulkApiVersion: 2 }); // version 1, the default, is another API
  assert.equal(changed.length, 231);
  assert.equal((await accounts.findOne({ ERP_Number__c: "many-7" })).Site, "Many 7!");
  const gone = await accounts.find({ Name: { $like: "Many %" } }).destroy({ bulkApiVersion: 2 });
  assert.equal(gone.filter((r) => r.success).length, 231);
  assert.equal(await accounts.count({ Name: { $like: "Many %" } }), 0);
});

// zip stores files uncompressed: jsforce takes a package as it is and brings nothing to make one.
function zip(files) {
  const locals = [], directory = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const content = Buffer.from(text), path = Buffer.from(name);
    const about = Buffer.alloc(26);
    about.writeUInt16LE(20, 0);
    about.writeUInt32LE(crc32(content), 10);
    about.writeUInt32LE(content.length, 14);
    about.writeUInt32LE(content.length, 18);
    about.writeUInt16LE(path.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), about, path, content]);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\0"), about, place, path]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory), end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

// invoices is a package with an object and a permission set for it.
const invoices = (label) => zip({
  "package.xml": `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>Invoice__c</members><name>CustomObject</name></types>
    <types><members>Invoice_Readers</members><name>PermissionSet</name></types><version>60.0</version></Package>`,
  "objects/Invoice__c.object": `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
    <fields><fullName>Total__c</fullName><label>${label}</label><type>Currency</type><precision>16</precision><scale>2</scale></fields>
    <label>Invoice</label><pluralLabel>Invoices</pluralLabel><nameField><label>Invoice Name</label><type>Text</type></nameField>
    <deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel></CustomObject>`,
  "permissionsets/Invoice_Readers.permissionset": `<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata"><label>Invoice readers</label>
    <objectPermissions><object>Invoice__c</object><allowRead>true</allowRead></objectPermissions>
    <fieldPermissions><field>Invoice__c.Total__c</field><readable>true</readable><editable>true</editable></fieldPermissions></PermissionSet>`,
});

step("metadata: deploying over REST and SOAP, checking, what fails", async () => {
  conn.metadata.pollInterval = 10;
  const checked = await conn.metadata.deployRest(invoices("Total"), { checkOnly: true, rollbackOnError: true, singlePackage: true });
  assert.equal(checked.deployResult.status, "Pending");
  const validated = await conn.metadata.checkDeployStatus(checked.id, true, true);
  assert.equal(validated.status, "Succeeded", JSON.stringify(validated));
  await assert.rejects(conn.describe("Invoice__c"), (e) => e.errorCode === "NOT_FOUND");
  const quick = await conn.metadata.deployRecentValidation({ id: checked.id, rest: true });
  assert.equal((await conn.metadata.checkDeployStatus(quick)).success, true);
  await conn.describe("Invoice__c");
  await assert.rejects(conn.query("SELECT Total__c FROM Invoice__c"), (e) => e.errorCode === "INVALID_FIELD");
  const [set] = (await conn.query("SELECT Id FROM PermissionSet WHERE Name = 'Invoice_Readers'")).records;
  await conn.sobject("PermissionSetAssignment").create({ AssigneeId: (await conn.identity()).user_id, PermissionSetId: set.Id });
  assert.equal((await conn.query("SELECT Total__c FROM Invoice__c")).totalSize, 0);

  const bySOAP = await conn.metadata.deploy(invoices("Sum"), { rollbackOnError: true, singlePackage: true }).complete(true);
  assert.equal(bySOAP.status, "Succeeded", JSON.stringify(bySOAP));
  assert.equal(bySOAP.details.componentSuccesses.length, 3);
  assert.equal(bySOAP.numberComponentsDeployed, 3);
  assert.equal((await conn.describe("Invoice__c")).fields.find((f) => f.name === "Total__c").label, "Sum");
  const wrong = await conn.metadata.deploy(zip({ "package.xml": '<Package><types><members>Nope__c</members><name>CustomObject</name></types></Package>' }), { rollbackOnError: true }).complete(true);
  assert.equal(wrong.status, "Failed");
  assert.match(wrong.details.componentFailures[0].problem, /not found in zipped directory/);
});

step("metadata: retrieving what was deployed, and deploying that", async () => {
  const got = await conn.metadata.retrieve({ apiVersion: "60.0", singlePackage: true, unpackaged: { types: [
    { name: "CustomObject", members: ["Invoice__c"] }, { name: "PermissionSet", members: ["*"] }, { name: "CustomField", members: ["Account.Tier__c", "Account.Nope__c"] }] } }).complete();
  assert.equal(got.status, "Succeeded");
  assert.deepEqual(got.fileProperties.map((f) => f.fullName).sort(), ["Account.Tier__c", "Invoice_Readers", "Invoice__c", "Sales_Reader", "Sync_Integration"]);
  assert.match(got.messages[0].problem, /Account\.Nope__c/);
  const again = await conn.metadata.deployRest(Buffer.from(got.zipFile, "base64"), { rollbackOnError: true });
  const result = await conn.metadata.checkDeployStatus(again.id, true, true);
  assert.equal(result.status, "Succeeded", JSON.stringify(result.details.componentFailures));
  assert.ok(result.numberComponentsDeployed >= 6);
});

step("metadata: permission sets by themselves", async () => {
  const one = (r) => [r].flat()[0];
  const set = { fullName: "Tier_Readers", label: "Tier readers", fieldPermissions: [{ field: "Account.Tier__c", readable: true, editable: false }] };
  assert.equal(one(await conn.metadata.create("PermissionSet", [set])).success, true);
  const read = await conn.metadata.read("PermissionSet", "Tier_Readers");
  assert.equal(one(read.fieldPermissions).field, "Account.Tier__c");
  assert.equal(one(await conn.metadata.delete("PermissionSet", ["Tier_Readers"])).success, true);
  assert.equal((await conn.query("SELECT Id FROM PermissionSet WHERE Name = 'Tier_Readers'")).totalSize, 0);
});

step("other grants: client credentials, password, refresh by hand; logging out", async () => {
  const direct = new jsforce.Connection({ oauth2: { loginUrl: origin, clientId, clientSecret }, version: "60.0" });
  await direct.authorize({ grant_type: "client_credentials" });
  assert.equal((await direct.query("SELECT Id FROM Account LIMIT 1")).records.length, 1);
  const byPassword = new jsforce.Connection({ oauth2: { loginUrl: origin, clientId, clientSecret }, version: "60.0" });
  await byPassword.login(username, password);
  assert.equal((await byPassword.identity()).username, username);
  const again = await conn.oauth2.refreshToken(conn.refreshToken);
  assert.match(again.access_token, /^00D/);
  await byPassword.logout();
  await assert.rejects(new jsforce.Connection({ instanceUrl: origin, accessToken: again.access_token.replace(/!.*/, "!gone"), version: "60.0" }).query("SELECT Id FROM Account"),
    (e) => e.errorCode === "INVALID_SESSION_ID");
});

step("revoke ends the connection", async () => {
  await control("revoke");
  await assert.rejects(conn.query("SELECT Id FROM Account LIMIT 1"), /expired access\/refresh token|invalid_grant/i);
});

for (const [name, fn] of steps) {
  try {
    await fn();
    console.log("ok", name);
  } catch (err) {
    console.log("FAILED", name, "\n", err);
    process.exit(1);
  }
}
