// What is shown, and how it changes: input asks for an action, an action changes the state, `update` draws it.

const state = {
  rows: [],
  rowOf: new Map(),
  row: 0,
  subject: null,
  finding: null,
  evidence: -1,
  // What a finding rests on; null: everything is equal.
  lit: null,
  cursor: null,
  folded: new Set([OTHERS]),
  only: new Set(),
  special: null,
  words: "",
  matches: [],
  found: new Set(),
  match: 0,
  past: [],
  future: [],
  message: "",
};

const here = () => ({ subject: state.subject, finding: state.finding, cursor: state.cursor, view: [axis.from, axis.to] });

const travel = (from, to) => {
  const place = from.pop();
  if (!place) return ask("there is nothing further");
  to.push(here());
  go(place.subject, { finding: place.finding, cursor: place.cursor ?? undefined, past: false });
  return setView(...place.view);
};

// Where a subject is: whose lane, and when.
const whereIs = (about) => {
  const at = placeOf(about);
  switch (kindOf(about)) {
    case PROC:
      return [at, P.end[at]];
    case SIGNAL:
      return [SIG.to[at], SIG.at[at]];
    case PHASE:
      return [NONE, DATA.phases[at][2]];
    default:
      return [DATA.findings[at][2], DATA.findings[at][3]];
  }
};

// Shows a subject: on its lane, at its time, and in the details.
const go = (about, { finding, cursor, past = true, seen = false, row, evidence = -1 } = {}) => {
  if (about === null) return;
  if (kindOf(about) === FINDING && DATA.findings[placeOf(about)][2] !== NONE) {
    goFinding(placeOf(about));
    return;
  }
  if (past && state.subject !== null && about !== state.subject) {
    state.past.push(here());
    state.future.length = 0;
  }
  state.subject = about;
  state.evidence = evidence;
  const [proc, us] = whereIs(about);
  // Who is no part of a finding is not to be looked at in its shade.
  if (finding !== undefined) light(finding);
  else if (state.lit && proc !== NONE && !state.lit.procs.has(proc)) light(null);
  state.cursor = cursor ?? us;
  if (row !== undefined) state.row = row;
  else if (proc !== NONE) reveal(proc);
  keepInView(state.cursor);
  detail();
  if (seen) bringUp();
  update();
};

const goFinding = (at) => {
  const [, , proc, , procs, sigs] = DATA.findings[at];
  light(at);
  go(proc === NONE ? subject(FINDING, at) : subject(PROC, proc), { finding: at, seen: true });
  const times = [...sigs.map((sig) => SIG.at[sig]), ...procs.map((row) => P.end[row])];
  const [first, last] = [shown(least(times)), shown(most(times))];
  if (times.length > 0 && (first < axis.from || last > axis.to)) {
    const room = Math.max((last - first) / 8, 1e4);
    setView(first - room, last + room);
  }
  update();
};

const light = (at) => {
  state.finding = at;
  if (at === null) {
    state.lit = null;
    return;
  }
  const [, , , , procs, sigs] = DATA.findings[at];
  const all = new Set(procs);
  for (const sig of sigs) for (const row of [SIG.from[sig], SIG.to[sig]]) if (row !== NONE) all.add(row);
  state.lit = { procs: all, sigs: new Set(sigs) };
};

// Makes the row of a process the current one, whatever hides it.
const reveal = (proc) => {
  if (!state.rowOf.has(proc) && (state.only.size > 0 || state.special)) {
    state.only.clear();
    state.special = null;
    ask("the filter hid it: everything is shown again");
    rebuild();
  }
  if (!state.rowOf.has(proc)) {
    state.folded.clear();
    rebuild();
  }
  state.row = state.rowOf.get(proc) ?? state.row;
  measure();
  followRow();
};

const followRow = () => {
  const top = state.row * space.row;
  const most = top + space.row - space.height;
  if (lanesBox.scrollTop > top) lanesBox.scrollTop = top;
  else if (lanesBox.scrollTop < most) lanesBox.scrollTop = most + space.row;
};

const chooseRow = (at) => {
  state.row = clamp(at, 0, state.rows.length - 1);
  const row = state.rows[state.row];
  followRow();
  if (!row?.procs) {
    update();
    return;
  }
  const proc = nearestProc(row, state.cursor ?? DATA.view[1]);
  const cursor = state.cursor ?? P.end[proc];
  go(subject(PROC, proc), { cursor, past: false, row: state.row });
};

const moveCursor = (us) => {
  state.cursor = clamp(us, DATA.span[0] - margin, DATA.span[1] + margin);
  keepInView(state.cursor);
};

const keepInView = (us) => {
  const at = shown(us);
  const span = axis.to - axis.from;
  if (at < axis.from) setView(at - span / 4, at + (span * 3) / 4);
  else if (at > axis.to) setView(at - (span * 3) / 4, at + span / 4);
};

// Zooms around a place of the picture, or around the cursor.
const zoom = (by, x) => {
  const at = x ?? (state.cursor === null ? axis.width / 2 : clamp(xOf(state.cursor), 0, axis.width));
  const view = axis.from + (at / axis.width) * (axis.to - axis.from);
  setView(view - (view - axis.from) * by, view + (axis.to - view) * by);
};

const pan = (pixels) => setView(axis.from + pixels * pixel(), axis.to + pixels * pixel());

const fold = (group) => {
  if (!state.folded.delete(group)) state.folded.add(group);
  rebuild();
  update();
};

const refilter = () => {
  const proc = chosenProc();
  if (state.finding === null) state.lit = null;
  rebuild();
  if (state.rows.length === 0) ask("nothing matches");
  state.row = state.rowOf.get(proc) ?? 0;
  measure();
  followRow();
  update();
};

// On a small screen the lanes are further down.
const bringUp = () => {
  const box = $("timeline").getBoundingClientRect();
  if (box.top < 0 || box.top > window.innerHeight * 0.6) {
    $("timeline").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
};

const act = (name) => {
  ACTIONS[name]();
  update();
};

let drawing = false;
const update = () => {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    measure();
    draw();
    say();
    buttons();
    markFindings();
  });
};

// In words, for those who hear the page, and for those who wonder what is shown.
const say = () => {
  const parts = [];
  if (state.message) parts.push(state.message);
  if (state.subject !== null) parts.push($("detail-title").textContent);
  const step = pixel() * 10;
  parts.push(`showing ${moment(usAt(0), step)} to ${moment(usAt(axis.width), step)}`);
  const filters = [...state.only].map((name) => document.querySelector(`[data-do="${name}"]`).textContent);
  if (state.special) filters.push(state.special.words);
  if (filters.length > 0) parts.push(`only ${filters.join(" + ")}: ${state.rows.length} of ${PROCS}`);
  const words = parts.join(" · ");
  if ($("status").textContent !== words) $("status").textContent = words;
  state.message = "";
  const found = state.words ? (state.matches.length === 0 ? "nothing" : `${state.match + 1} of ${state.matches.length}`) : "";
  if ($("matches").textContent !== found) $("matches").textContent = found;
};

const buttons = () => {
  for (const name of Object.keys(ONLY)) {
    document.querySelector(`[data-do="${name}"]`).setAttribute("aria-pressed", state.only.has(name));
  }
  document.querySelector('[data-do="idle"]').setAttribute("aria-pressed", axis.cuts.length > 0);
  document.querySelector('[data-do="back"]').disabled = state.past.length === 0;
  document.querySelector('[data-do="forward"]').disabled = state.future.length === 0;
  $("clear").hidden = state.only.size === 0 && !state.special && state.finding === null;
};

const repaint = () => {
  readInk();
  legend($("legend"), false);
  update();
};

const openHelp = () => {
  const box = $("keys");
  box.replaceChildren();
  const section = (title) => {
    const head = document.createElement("h3");
    head.textContent = title;
    box.append(head);
  };
  section("What the lanes show");
  const signs = document.createElement("ul");
  signs.className = "signs";
  legend(signs, true);
  box.append(signs);
  for (const title of new Set(KEYS.map((key) => key[2]))) {
    section(title);
    const list = document.createElement("dl");
    for (const [keys, , of, help] of KEYS) {
      if (of !== title) continue;
      const name = document.createElement("dt");
      name.textContent = keys.map((key) => (key === " " ? "Space" : key.replace("Arrow", ""))).join(" ");
      const words = document.createElement("dd");
      words.textContent = help;
      list.append(name, words);
    }
    box.append(list);
  }
  section("Mouse and fingers");
  const mouse = document.createElement("p");
  mouse.textContent =
    "Click a lane or a sign to select it; drag to move; Ctrl and the wheel, the wheel on the scale, or two fingers zoom.";
  box.append(mouse);
  $("help").showModal();
};

// On paper everything is open, light, and as wide as a sheet.
let before = {};
const print = (on) => {
  const root = document.documentElement;
  const tables = [...document.querySelectorAll("details.table")];
  if (on) before = { theme: root.dataset.theme, open: tables.map((table) => table.open) };
  const theme = on ? "light" : before.theme;
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  root.toggleAttribute("data-paper", on);
  tables.forEach((table, at) => (table.open = on || before.open[at]));
  readInk();
  legend($("legend"), false);
  measure();
  draw();
};

const start = () => {
  enliven();
  rebuild();
  measure();
  setView(DATA.view[0], DATA.view[1]);
  repaint();
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => act(button.dataset.do));
  }
  document.addEventListener("keydown", onKey);
  $("query").addEventListener("input", onSearch);
  lanesBox.addEventListener("scroll", update, { passive: true });
  for (const box of [lanesBox, $("ribbon")]) box.addEventListener("wheel", onWheel, { passive: false });
  listenToPointers();
  new ResizeObserver(update).observe(lanesBox);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  // What a finding tells of is shown at once: it is what one came for.
  if (DATA.findings.length > 0) {
    const [, , proc] = DATA.findings[0];
    go(proc === NONE ? subject(FINDING, 0) : subject(PROC, proc), { finding: 0, past: false });
  } else if (PROCS > 0) {
    go(subject(PROC, 0), { past: false });
  }
  update();
};

start();
