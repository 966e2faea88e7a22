// Rows: which lanes are shown, and what a search finds.

const STORY = 0;
const SERVICES = 1;
const OTHERS = 2;
const GROUPS = ["what the findings are about", "services", "other processes"];

// A row: a group, or a lane of one process or of several.
const laneRow = (lane) => ({ group: lane[0], label: text(lane[1]), note: lane[2], procs: lane[3], depth: lane[0] });
const procRow = (row, depth) => ({ group: OTHERS, label: label(row), note: P.note[row], procs: [row], depth });

const everything = () => {
  const rows = [];
  const lanes = (group) => DATA.lanes.filter((lane) => lane[0] === group);
  rows.push(...lanes(STORY).map(laneRow));
  const services = lanes(SERVICES);
  if (services.length > 0) {
    const count = services.reduce((sum, lane) => sum + lane[3].length, 0);
    const open = !state.folded.has(SERVICES);
    rows.push({ title: SERVICES, count, open });
    if (open) rows.push(...services.map(laneRow));
  }
  if (DATA.others < PROCS) {
    const open = !state.folded.has(OTHERS);
    rows.push({ title: OTHERS, count: PROCS - DATA.others, open });
    if (open) for (let row = DATA.others; row < PROCS; row++) rows.push(procRow(row, 1));
  }
  return rows;
};

// What is looked at in a search, made when it is asked for.
const haystacks = [];
const haystack = (row) => {
  haystacks[row] ??= [P.label, P.command, P.file, P.service].map((column) => text(column[row])).join("\n");
  return haystacks[row];
};
const folded = [];
const foldedHaystack = (row) => (folded[row] ??= haystack(row).toLowerCase());

// `signal TERM`, `user root`, `service ssh`, `phase KILL`, `fate cut-off`, `pid 990`, or words, several with commas
// between them: as the filter of the viewer reads them. Each gives a test.
const SPECIAL = {
  signal: (value) => {
    const wanted = value.toUpperCase().replace(/^SIG/, "");
    const is = (at) => text(SIG.name[at]).replace(/^SIG/, "") === wanted || (wanted === "9" && SIG.kills[at]);
    return (row) => signalsTo(row).some(is);
  },
  user: (value) => (row) => [value, `uid ${value}`].includes(text(P.user[row])),
  service: (value) => (row) => text(P.service[row]).includes(value),
  phase: (value) => {
    const phase = DATA.phases.find((phase) => text(phase[1]).toLowerCase().includes(value.toLowerCase()));
    return (row) => phase !== undefined && P.born[row] < phase[3] && P.end[row] >= phase[2];
  },
  fate: (value) => (row) => P.fate[row] === FATE[value],
  pid: (value) => (row) => String(P.pid[row]) === value,
};
const testOf = (part) => {
  const [, word, value] = /^(\w+)[ :=]+(.+)$/.exec(part) ?? [];
  if (word && Object.hasOwn(SPECIAL, word)) return SPECIAL[word](value.trim());
  // Case counts only where the text has capitals.
  const plain = part.toLowerCase() === part;
  return plain ? (row) => foldedHaystack(row).includes(part) : (row) => haystack(row).includes(part);
};
const query = (words) => {
  const tests = words.split(",").map((part) => part.trim()).filter((part) => part).map(testOf);
  return tests.length === 0 ? () => false : (row) => tests.every((test) => test(row));
};

const ONLY = {
  // And who killed them: without that a killing leads nowhere.
  onlyKilled: (row) =>
    P.fate[row] === FATE.killed ||
    signalsFrom(row).some((sig) => SIG.to[sig] !== NONE && P.killer[SIG.to[sig]] === sig && P.fate[SIG.to[sig]] === FATE.killed),
  onlyRestarted: (row) => P.heir[row] !== NONE || P.restarted[row] === 1,
  onlyAlive: (row) => P.fate[row] === FATE["cut-off"] || P.fate[row] === FATE["never-told"] || P.fate[row] === FATE["no-end"],
  onlyMatches: (row) => state.found.has(row),
};

// The tree of a process, those hit by one: what the keys T and v ask for.
const treeTest = (root) => (row) => {
  for (let up = row, steps = 0; up !== NONE && steps < 64; up = P.parent[up], steps++) if (up === root) return true;
  return false;
};
const victimTest = (sender) => {
  const hit = new Set([sender]);
  for (const at of signalsFrom(sender)) if (SIG.deed[at]) hit.add(SIG.to[at]);
  return (row) => hit.has(row);
};

const inOrderOfBirth = (a, b) => P.born[a] - P.born[b] || a - b;

// The rows again, after a filter or a fold.
const rebuild = () => {
  const tests = [...state.only].map((name) => ONLY[name]);
  if (state.special) tests.push(state.special.test);
  if (tests.length === 0) {
    state.rows = everything();
  } else {
    const passing = [];
    for (let row = 0; row < PROCS; row++) if (tests.every((test) => test(row))) passing.push(row);
    state.rows = passing.sort(inOrderOfBirth).map((row) => procRow(row, 0));
  }
  state.rowOf = new Map();
  state.rows.forEach((row, at) => row.procs?.forEach((proc) => state.rowOf.set(proc, at)));
  state.row = clamp(state.row, 0, Math.max(0, state.rows.length - 1));
};

const search = (words) => {
  const test = query(words);
  state.matches = [];
  for (let row = 0; row < PROCS; row++) if (test(row)) state.matches.push(row);
  state.found = new Set(state.matches);
  state.match = 0;
};
