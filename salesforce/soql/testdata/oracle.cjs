// Reads one JSON string, a query, per line and prints for each a line {"ok":bool,"errors":[…]} with the verdict of Salesforce's own SOQL parser.
"use strict";
const readline = require("node:readline");
const { SOQLParser } = require("@salesforce/soql-common/lib/soql-parser");

const parser = SOQLParser({ isApex: false, isMultiCurrencyEnabled: true, apiVersion: 60 });
console.error = () => {}; // the parser prints what its lexer drops

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const result = parser.parseQuery(JSON.parse(line));
  const errors = result.getParserErrors().map((e) => ({
    line: e.getLineNumber(),
    column: e.getCharacterPositionInLine(),
    message: e.getMessage(),
  }));
  process.stdout.write(JSON.stringify({ ok: result.getSuccess(), errors }) + "\n");
});
