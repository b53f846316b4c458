/** Follows the reader's choice of light or dark. Colours of the charts are custom properties, so that they do too. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --faint: #57606a; --line: #d0d7de; --own: #8c959f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #9198a1; --line: #3d444d; --own: #6e7681; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 90rem; margin: 0 auto; padding: 1.5rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
p, caption { color: var(--faint); }
caption { text-align: left; padding: .5rem 0; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--paper); }
table.dense { font-size: .85em; }
table.dense thead th { white-space: normal; vertical-align: bottom; }
table.dense th, table.dense td { padding: .2rem .5rem; }
.pairs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(36rem, 100%), 1fr)); gap: 0 2.5rem; }
.pairs > section { min-width: 0; }
h3 { margin: 2rem 0 .2rem; }
h3 + p { margin: 0 0 .6rem; }
figure { margin: 0; }
tfoot th, tfoot td { border-bottom: 0; }
tfoot tr:first-child > * { border-top: 2px solid var(--line); }
svg { max-width: 100%; height: auto; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
svg .axis { stroke: var(--line); fill: none; }
svg .left-out { fill: none; stroke: var(--own); stroke-dasharray: 2 2; }
summary { cursor: pointer; padding: .3rem 0; }
ul.legend { list-style: none; padding: 0; columns: 18rem; font-size: .85em; }
ul.legend span { display: inline-block; width: 1.2em; height: .3em; margin-right: .5em; vertical-align: middle; }
`;
