// Reads [{name, kql}] from stdin; prints what Microsoft's parser finds in each query, and the
// columns of its result: [{name, diagnostics, columns}]. parser.py runs it.
"use strict";

const fs = require("node:fs");
const schemas = ["./app_metrics.json", "./app_requests.json", "./app_traces.json"].map(require);

require("@kusto/language-service-next/bridge.min.js"); // defines Bridge, which the next one needs
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js"); // defines Kusto

const { DiagnosticSeverity, Editor, GlobalState, KustoCode, Symbols, Syntax } = Kusto.Language;
const globals = GlobalState.Default.WithDatabase(
  new Symbols.DatabaseSymbol.ctor("workspace", schemas.map(table)),
);

const queries = JSON.parse(fs.readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(queries.map(check)));

function table({ table: name, columns }) {
  const listed = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
  return Symbols.TableSymbol.From(`(${listed.join(", ")})`).WithName(name);
}

function check({ name, kql }) {
  const code = KustoCode.ParseAndAnalyze(kql, globals);
  const service = new Editor.KustoCodeService.ctor(code);
  const diagnostics = [
    ...Bridge.toArray(code.GetDiagnostics()),
    ...Bridge.toArray(service.GetAnalyzerDiagnostics(true)),
  ].map((each) => diagnostic(kql, each.Severity, each.Code, each.Message, each.Start, each.End));
  return {
    name,
    diagnostics: [...diagnostics, ...unreadTimes(kql, code), ...noTable(kql, code)],
    columns: columns(code).map(({ Name, Type }) => ({ name: Name, type: Type.Name })),
  };
}

function columns(code) {
  const result = code.ResultType;
  return result instanceof Symbols.TableSymbol ? Bridge.toArray(result.Columns) : [];
}

// The parser takes datetime(2026-13-45) and datetime({start}) without a word, as the year 1.
function unreadTimes(kql, code) {
  const found = [];
  Syntax.SyntaxElement.WalkNodes(code.Syntax, (node) => {
    if (node.Kind !== Syntax.SyntaxKind.DateTimeLiteralExpression) return;
    if (!String(node.LiteralValue).startsWith("01/01/0001 00:00:00")) return;
    found.push(own(kql, "UNREAD", "This is no time.", node.TextStart, node.End));
  });
  return found;
}

// Nothing else is said of an empty text, of a number or of a command such as .show tables.
function noTable(kql, code) {
  if (code.Kind === "Query" && code.ResultType instanceof Symbols.TableSymbol) return [];
  return [own(kql, "NO-TABLE", "This is no query that returns a table.", 0, kql.length)];
}

function own(kql, code, message, start, end) {
  return diagnostic(kql, DiagnosticSeverity.Error, code, message, start, end);
}

function diagnostic(kql, severity, code, message, start, end) {
  const line = kql.slice(0, start).split("\n").length;
  return { severity, code, message, line, text: kql.slice(start, end) };
}
