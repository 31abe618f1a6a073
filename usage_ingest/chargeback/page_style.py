"""The style of a page, and what a browser may load for it: nothing but that style. Pure."""

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 60rem; background: #fff; color: #1b1f24;
  font: 15px/1.5 "Segoe UI", system-ui, -apple-system, Roboto, "Helvetica Neue", Arial,
  "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; break-after: avoid; }
p { margin: .4rem 0; }
small { color: #57606a; font-size: .82em; }
header { border-bottom: 3px solid #1b1f24; padding-bottom: 1rem; }
.kicker { text-transform: uppercase; letter-spacing: .08em; font-size: .8rem; color: #57606a;
  margin: 0 0 .2rem; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem;
  margin: .9rem 0 0; }
dl.facts dt { color: #57606a; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.totals { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0 0; padding: 0;
  list-style: none; }
.totals li { border: 1px solid #c8ced6; border-radius: 6px; padding: .6rem 1rem; min-width: 12rem; }
.totals b { display: block; font-size: 1.6rem; line-height: 1.25; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.totals .check { color: #8a3f00; font-weight: 600; }
.trust { border: 1px solid #c8ced6; border-left: 6px solid #1a7f37; border-radius: 6px;
  padding: .7rem 1.1rem .9rem; margin-top: 1.4rem; break-inside: avoid; }
.trust.doubt { border-left-color: #b35900; }
.trust h2 { margin: 0 0 .3rem; }
.trust ul { list-style: none; margin: 0; padding: 0; }
.trust li { padding: .2rem 0 .2rem 4.6rem; position: relative; }
.trust .mark { position: absolute; left: 0; width: 4rem; font-weight: 600; font-size: .85rem;
  color: #116329; }
.trust .check .mark { color: #8a3f00; }
.trust .note .mark { color: #57606a; }
.trust ul ul { margin: .15rem 0 .15rem 1.1rem; list-style: disc; }
.trust ul ul li { padding: 0; }
table { border-collapse: collapse; width: 100%; font-size: .95em; }
table + table { margin-top: 1.2rem; }
caption { text-align: left; color: #57606a; padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .32rem .6rem .32rem 0;
  border-bottom: 1px solid #e3e7ec; }
.long { overflow-wrap: anywhere; }
th.n, td.n { text-align: right; padding-right: 0; padding-left: .8rem; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.n + :not(.n) { padding-left: .8rem; }
thead th { border-bottom: 2px solid #1b1f24; font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody th.first, tr.sub th, tr.sub td { font-weight: 600; }
tr.sub th, tr.sub td { background: #f4f6f8; }
tr.sub th:first-child { padding-left: .4rem; }
tr.in th:first-child { padding-left: 1.4rem; }
tfoot th, tfoot td { border-top: 2px solid #1b1f24; border-bottom: 0; font-weight: 700; }
figure { margin: .4rem 0 1.4rem; break-inside: avoid; }
figcaption { color: #57606a; font-size: .95em; padding-bottom: .3rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px "Segoe UI", system-ui, Roboto, Arial, "DejaVu Sans", sans-serif;
  fill: #1b1f24; }
svg .soft { fill: #57606a; }
svg .bar { fill: #1f5aa8; }
svg .below { fill: #a0352b; }
svg .line { stroke: #c8ced6; stroke-width: 1; }
sup { color: #8a3f00; font-weight: 600; line-height: 0; }
.none { border: 1px dashed #8c959f; border-radius: 6px; padding: 1rem; color: #424a53; }
footer { margin-top: 2.4rem; border-top: 1px solid #c8ced6; padding-top: .6rem; color: #57606a;
  font-size: .85rem; }
@page { size: A4; margin: 16mm 14mm 18mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 9pt sans-serif; } }
@media print {
  body { padding: 0; max-width: none; font-size: 9.5pt; }
  .totals b { font-size: 15pt; }
  header { padding-bottom: .5rem; }
  h2 { margin-top: 1.1rem; }
  .trust { margin-top: .8rem; padding: .4rem .9rem .5rem; }
  .trust li { padding-top: .05rem; padding-bottom: .05rem; }
  th, td { padding-top: .2rem; padding-bottom: .2rem; }
  tr, .totals li { break-inside: avoid; }
  thead { display: table-header-group; }
  tfoot { display: table-row-group; }
  tr.sub { break-after: avoid; }
}
"""

_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'"
"""The page's own policy, which holds for a saved file too."""
HEADERS: Final = {
    "Content-Security-Policy": f"{POLICY}; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""What the page is answered with."""
