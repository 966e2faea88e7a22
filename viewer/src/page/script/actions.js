// What can be done, and by which keys: one table, from which keys are looked up and the help is made.

const ask = (words) => {
  state.message = words;
};

// The process that keys are about.
const chosenProc = () => {
  if (state.subject === null) return NONE;
  const at = placeOf(state.subject);
  if (kindOf(state.subject) === PROC) return at;
  return kindOf(state.subject) === SIGNAL ? SIG.to[at] : NONE;
};

// Goes to `at`, or says why not.
const lead = (at, kind, otherwise) => (at === NONE || at === undefined ? ask(otherwise) : go(subject(kind, at)));

const stepFinding = (by) => {
  const count = DATA.findings.length;
  if (count === 0) return ask("there are no findings");
  const from = state.finding ?? (by > 0 ? -1 : 0);
  return goFinding((from + by + count) % count);
};

const stepMatch = (by) => {
  const count = state.matches.length;
  if (count === 0) return ask(state.words ? `nothing is called ${state.words}` : "/ searches");
  state.match = (state.match + by + count) % count;
  go(subject(PROC, state.matches[state.match]));
  return ask(`match ${state.match + 1} of ${count}`);
};

const stepPhase = (by) => {
  const now = state.cursor ?? DATA.view[0];
  const list = by > 0 ? DATA.phases : DATA.phases.toReversed();
  const next = list.find((phase) => (by > 0 ? phase[2] > now : phase[2] < now));
  return next ? go(subject(PHASE, DATA.phases.indexOf(next))) : ask("there is no further phase");
};

// The next thing that happened on the current lane.
const stepEvent = (by) => {
  const procs = state.rows[state.row]?.procs ?? [];
  const times = procs.flatMap((proc) => [
    P.born[proc],
    P.end[proc],
    ...Array.from(signalsTo(proc), (sig) => SIG.at[sig]),
    ...Array.from(signalsFrom(proc), (sig) => SIG.at[sig]),
  ]);
  const now = state.cursor ?? (by > 0 ? -Infinity : Infinity);
  const further = times.filter((us) => (by > 0 ? us > now : us < now));
  if (further.length === 0) return ask("nothing further on this lane");
  return moveCursor(by > 0 ? least(further) : most(further));
};

// The next piece of a finding's evidence.
const stepEvidence = () => {
  if (state.finding === null) return stepFinding(1);
  const steps = stepsOf(state.finding);
  if (steps.length === 0) return ask("its evidence is not in this page");
  const evidence = (state.evidence + 1) % steps.length;
  const { lead, at } = steps[evidence].dataset;
  return go(Number(lead), { finding: state.finding, cursor: at === undefined ? undefined : Number(at), evidence });
};

const cause = () => {
  if (state.subject === null) return ask("choose a process first");
  const at = placeOf(state.subject);
  if (kindOf(state.subject) === SIGNAL) {
    return lead(SIG.from[at], PROC, "the kernel sent it");
  }
  if (kindOf(state.subject) !== PROC) return ask("a process or a signal has a cause");
  const sig = P.killer[at] !== NONE ? P.killer[at] : P.cause[at];
  if (sig !== NONE) return go(subject(SIGNAL, sig));
  return at === DATA.asked ? ask("it asked for the shutdown itself") : lead(DATA.asked, PROC, "nobody was seen to ask");
};

const toggleOnly = (name) => {
  if (name === "onlyMatches" && state.found.size === 0) return ask("search for something first");
  if (!state.only.delete(name)) state.only.add(name);
  return refilter();
};

const special = (words, test) => {
  state.special = state.special?.words === words ? null : { words, test };
  refilter();
};

const ACTIONS = {
  cause,
  request: () => lead(DATA.asked, PROC, "nobody was seen to ask"),
  heir: () => lead(P.heir[chosenProc()], PROC, "nothing took its place"),
  forerunner: () => lead(P.old[chosenProc()], PROC, "it took nobody's place"),
  parent: () => lead(P.parent[chosenProc()], PROC, "its parent is not known here"),
  victims: () => {
    const row = chosenProc();
    if (row === NONE) return ask("choose a process first");
    return special(`hit by ${label(row)}`, victimTest(row));
  },
  tree: () => {
    const row = chosenProc();
    if (row === NONE) return ask("choose a process first");
    return special(`tree of ${label(row)}`, treeTest(row));
  },
  evidence: stepEvidence,
  toFinding: () => {
    const of = P.finding[chosenProc()];
    return of === undefined || of === NONE ? ask("no finding tells of it") : goFinding(of);
  },
  back: () => travel(state.past, state.future),
  forward: () => travel(state.future, state.past),
  up: () => chooseRow(state.row - 1),
  down: () => chooseRow(state.row + 1),
  pageUp: () => chooseRow(state.row - Math.floor(space.height / space.row)),
  pageDown: () => chooseRow(state.row + Math.floor(space.height / space.row)),
  first: () => chooseRow(0),
  last: () => chooseRow(state.rows.length - 1),
  left: () => moveCursor(real(shown(state.cursor ?? usAt(axis.width / 2)) - pixel() * 8)),
  right: () => moveCursor(real(shown(state.cursor ?? usAt(axis.width / 2)) + pixel() * 8)),
  enter: () => {
    const row = state.rows[state.row];
    if (row && !row.procs) fold(row.title);
    else $("detail").focus();
  },
  zoomIn: () => zoom(0.5),
  zoomOut: () => zoom(2),
  zoomShutdown: () => setView(shown(DATA.view[0]), shown(DATA.view[1])),
  zoomAll: () => setView(shown(DATA.span[0] - margin), shown(DATA.span[1] + margin)),
  zoomSubject: () => {
    const row = chosenProc();
    if (row === NONE) return ask("choose a process first");
    const [from, to] = [shown(P.born[row]), shown(P.end[row])];
    return setView(from - (to - from) / 10, to + (to - from) / 10);
  },
  panLeft: () => pan(-axis.width / 4),
  panRight: () => pan(axis.width / 4),
  nextPhase: () => stepPhase(1),
  previousPhase: () => stepPhase(-1),
  nextEvent: () => stepEvent(1),
  previousEvent: () => stepEvent(-1),
  idle: () => {
    const [from, to] = [usAt(0), usAt(axis.width)];
    axis.cuts = axis.cuts.length > 0 ? [] : idleCuts();
    if (axis.cuts.length === 0) ask("time as it passed");
    else ask("idle time is cut short: ≀ marks each place");
    setView(shown(from), shown(to));
  },
  nextFinding: () => stepFinding(1),
  previousFinding: () => stepFinding(-1),
  search: () => {
    $("query").focus();
    $("query").select();
  },
  nextMatch: () => stepMatch(1),
  previousMatch: () => stepMatch(-1),
  onlyMatches: () => toggleOnly("onlyMatches"),
  onlyKilled: () => toggleOnly("onlyKilled"),
  onlyRestarted: () => toggleOnly("onlyRestarted"),
  onlyAlive: () => toggleOnly("onlyAlive"),
  clear: () => {
    state.only.clear();
    state.special = null;
    state.finding = null;
    refilter();
  },
  unfold: () => fold(OTHERS),
  tone: () => {
    const root = document.documentElement;
    const next = { auto: "dark", dark: "light", light: "auto" }[root.dataset.theme ?? "auto"];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    $("tone").textContent = next;
    repaint();
  },
  help: () => ($("help").open ? $("help").close() : openHelp()),
};

// Keys, action, section, help. Those marked `lanes` belong to the page where the lanes do not have the focus.
const KEYS = [
  [["c"], "cause", "Who did it", "cause: from a death to its killer, from a killer to the request"],
  [["r"], "heir", "Who did it", "what took its place"],
  [["R"], "forerunner", "Who did it", "whose place it took"],
  [["v"], "victims", "Who did it", "victims: all that it sent signals to"],
  [["p"], "parent", "Who did it", "its parent"],
  [["a"], "request", "Who did it", "who asked for the shutdown"],
  [["e"], "evidence", "Who did it", "the next piece of a finding's evidence"],
  [["f"], "toFinding", "Who did it", "the finding that tells of it"],
  [["Backspace", "["], "back", "Who did it", "back, as in a browser"],
  [["]"], "forward", "Who did it", "forward again"],
  [["ArrowUp", "k"], "up", "Moving", "up", "lanes"],
  [["ArrowDown", "j"], "down", "Moving", "down", "lanes"],
  [["ArrowLeft", "h"], "left", "Moving", "cursor back in time", "lanes"],
  [["ArrowRight", "l"], "right", "Moving", "cursor on in time", "lanes"],
  [["PageUp"], "pageUp", "Moving", "a page up", "lanes"],
  [["PageDown"], "pageDown", "Moving", "a page down", "lanes"],
  [["Home", "g"], "first", "Moving", "first line", "lanes"],
  [["End", "G"], "last", "Moving", "last line", "lanes"],
  [["Enter", " "], "enter", "Moving", "open or fold; to the details", "lanes"],
  [["+", "="], "zoomIn", "Time", "zoom in around the cursor"],
  [["-"], "zoomOut", "Time", "zoom out"],
  [["H", "<"], "panLeft", "Time", "move the view back"],
  [["L", ">"], "panRight", "Time", "move the view on"],
  [["0", "z"], "zoomShutdown", "Time", "the whole shutdown"],
  [["Z"], "zoomAll", "Time", "the whole recording"],
  [["s"], "zoomSubject", "Time", "zoom to what is selected"],
  [["}"], "nextPhase", "Time", "next phase"],
  [["{"], "previousPhase", "Time", "previous phase"],
  [["w"], "nextEvent", "Time", "next event of this lane"],
  [["b"], "previousEvent", "Time", "previous event of this lane"],
  [["i"], "idle", "Time", "cut idle time short, or not"],
  [["."], "nextFinding", "Finding things", "next finding (1 to 9: that one)"],
  [[","], "previousFinding", "Finding things", "previous finding"],
  [["/"], "search", "Finding things", "search names, arguments, pids, services; also: signal TERM, user root, service ssh, phase KILL, fate cut-off, pid 990, several with commas between them"],
  [["n"], "nextMatch", "Finding things", "next match"],
  [["N"], "previousMatch", "Finding things", "previous match"],
  [["&"], "onlyMatches", "Finding things", "show only what the search finds"],
  [["K"], "onlyKilled", "Finding things", "show only the killed, and who killed them"],
  [["O"], "onlyRestarted", "Finding things", "show only the restarted"],
  [["A"], "onlyAlive", "Finding things", "show only those alive at the end"],
  [["T"], "tree", "Finding things", "show only this process and its descendants"],
  [["Escape"], "clear", "Finding things", "show everything again"],
  [["u"], "unfold", "Screen", "unfold or fold the other processes"],
  [["?"], "help", "Screen", "this help"],
];
