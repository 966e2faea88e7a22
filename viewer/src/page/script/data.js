// The recording: columns of numbers, and texts by their places. See embed.rs.

const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("recording").textContent);
const P = DATA.procs;
const SIG = DATA.sigs;
const PROCS = P.pid ? P.pid.length : 0;
const SIGS = SIG.at ? SIG.at.length : 0;
const NONE = -1;

const text = (at) => DATA.strings[at];

// What a line leads to, and a subject of the details: a kind and a place.
const PROC = 0;
const SIGNAL = 1;
const FINDING = 2;
const PHASE = 3;
const subject = (kind, at) => at * 4 + kind;
const kindOf = (subject) => subject % 4;
const placeOf = (subject) => Math.floor(subject / 4);

// Places of a mark in P.mark, and of a fate in P.fate.
const MARK = { exited: 0, failed: 1, killed: 2, alive: 3, unknown: 4 };
const FATE = { stopped: 0, left: 1, killed: 2, "cut-off": 3, "never-told": 4, "no-end": 5 };

// For each process the places of something of it, in order: where they begin in one list.
const grouped = (count, of) => {
  const starts = new Uint32Array(PROCS + 1);
  for (let at = 0; at < count; at++) if (of(at) >= 0) starts[of(at) + 1]++;
  for (let row = 0; row < PROCS; row++) starts[row + 1] += starts[row];
  const next = starts.slice();
  const list = new Uint32Array(starts[PROCS]);
  for (let at = 0; at < count; at++) if (of(at) >= 0) list[next[of(at)]++] = at;
  return (row) => list.subarray(starts[row], starts[row + 1]);
};
const signalsTo = grouped(SIGS, (at) => SIG.to[at]);
const signalsFrom = grouped(SIGS, (at) => SIG.from[at]);
const childrenOf = grouped(PROCS, (row) => P.parent[row]);

const label = (row) => text(P.label[row]);

// A fact: a line of the details.
const fact = (at) => {
  const [look, words, when, indent, lead] = DATA.facts[at];
  return { look: text(look), text: text(words), when, indent, lead };
};

// The first place in a sorted list from which on `test` is true.
const firstWhere = (length, test) => {
  let from = 0;
  let to = length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (test(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
};

const clamp = (value, least, most) => Math.max(least, Math.min(most, value));
// Of lists that are longer than a call may have arguments.
const least = (list) => list.reduce((a, b) => Math.min(a, b), Infinity);
const most = (list) => list.reduce((a, b) => Math.max(a, b), -Infinity);
