"""How the pages look, in light and dark, on a desk and on a phone. What is on them is elsewhere."""

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --muted: #57606a; --line: #d0d7de; --page: #fff; --panel: #f6f8fa;
  --link: #0b57d0; --good: #116329; --bad: #a40e26; --warn: #7a4b00; --mark: #fff3c4 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --muted: #a6afba; --line: #3b424b; --page: #14171b;
  --panel: #1d2127; --link: #8ab8ff; --good: #7ddb95; --bad: #ff9d96; --warn: #f0c36a; --mark: #4a3d12 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 80rem; padding: 1rem 1.25rem 3rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif }
a { color: var(--link) } h1 { margin: 0; font-size: 1.6rem; line-height: 1.2 }
h2 { margin: 2rem 0 .5rem; font-size: 1.15rem } p { margin: .35rem 0 } code { font: .9em/1.4 ui-monospace, monospace }
.top { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; padding-bottom: .75rem;
  border-bottom: 1px solid var(--line); margin-bottom: 1.25rem }
.top strong { margin-right: auto } .top [aria-current] { color: var(--text); text-decoration: none; font-weight: 600 }
.muted { color: var(--muted) } .good { color: var(--good) } .bad { color: var(--bad) } .warn { color: var(--warn) }
.problems { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem }
.problems li, .note { background: var(--panel); border: 1px solid var(--line); border-left: .35rem solid var(--muted);
  border-radius: .4rem; padding: .6rem 1rem; overflow-wrap: anywhere }
.problems .bad, .note.bad { border-left-color: var(--bad); color: inherit }
.problems .warn, .note.warn { border-left-color: var(--warn); color: inherit }
.note.good { border-left-color: var(--good); color: inherit } .problems strong { font-weight: 600 }
table { border-collapse: collapse; width: 100%; font-size: .95rem }
th, td { text-align: left; vertical-align: top; padding: .5rem 1rem .5rem 0; border-bottom: 1px solid var(--line) }
thead th { color: var(--muted); font-weight: 600; white-space: nowrap } tbody th { font-weight: 600 }
.scroll { overflow-x: auto } td bdi, th bdi, .id { display: inline-block; max-width: 20rem; overflow-wrap: break-word }
.sub { display: block; font-size: .85rem; font-weight: 400; color: var(--muted) }
time { white-space: nowrap } .number { text-align: right; font-variant-numeric: tabular-nums }
tr:target > *, :is(h2, h3):target { background: var(--mark) }
article { max-width: 55rem } h3 { margin: 2rem 0 .5rem; font-size: 1rem }
pre { margin: .5rem 0; padding: .6rem 1rem; background: var(--panel); border: 1px solid var(--line);
  border-radius: .4rem; white-space: pre-wrap; overflow-wrap: anywhere }
form { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: 1rem 0 }
label { display: grid; gap: .2rem; font-size: .85rem; color: var(--muted) }
select, button { font: inherit; color: var(--text); background: var(--panel); border: 1px solid var(--muted);
  border-radius: .4rem; padding: .4rem .75rem; min-height: 2.5rem; max-width: 100% } button { cursor: pointer }
:focus-visible { outline: .15rem solid var(--link); outline-offset: .1rem }
@media (max-width: 52rem) {
  body { padding: 1rem 1rem 3rem } table, tbody, tr, th, td { display: block }
  thead { position: absolute; clip-path: inset(50%); height: 1px; width: 1px; overflow: hidden }
  tr { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .75rem; margin-bottom: .75rem }
  tr:target { background: var(--mark) } tbody th { font-size: 1.05rem }
  tbody th, td { border: 0; padding: .15rem 0; display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); gap: .75rem;
    overflow-wrap: anywhere } td bdi, th bdi, .id { max-width: 100%; overflow-wrap: anywhere }
  time { white-space: normal }
  [data-head]::before { content: attr(data-head); color: var(--muted); font-weight: 400; font-size: .95rem }
  .number { text-align: left } .top strong { flex: 1 0 100% } form { display: grid; grid-template-columns: 1fr 1fr }
  select, button { width: 100% }
}
"""
