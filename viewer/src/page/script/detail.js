// All that is known of what is selected, with its chain of causes; lines that lead somewhere are buttons.

// So many of a list are told.
const MOST = 60;

const line = ({ look, text: words, when, indent, lead }) => {
  const item = document.createElement("li");
  item.className = look;
  if (when !== null) {
    const time = document.createElement("span");
    time.className = "when";
    time.textContent = moment(when);
    item.append(time);
  }
  const what = document.createElement(lead === NONE ? "span" : "button");
  what.className = "what";
  what.textContent = words;
  if (indent > 0) what.style.paddingInlineStart = `${Math.min(indent, 10) * 0.9}rem`;
  if (lead !== NONE) {
    what.type = "button";
    what.addEventListener("click", () => go(lead));
  }
  item.append(what);
  return item;
};

const plain = (words, more = {}) => ({ look: "plain", text: words, when: null, indent: 0, lead: NONE, ...more });
const heading = (words) => plain(words, { look: "strong" });
const leftOver = (count) => (count > MOST ? [plain(`and ${count - MOST} more`, { look: "dim" })] : []);

// Whether it only stops or continues: sprees do that to everybody, again and again.
const freezes = (sig) => ["SIGSTOP", "SIGCONT"].includes(text(SIG.name[sig]));
const inOrder = (lines) => lines.sort((a, b) => a.when - b.when);

const processFacts = (row) => {
  const lines = P.facts[row].map(fact);
  const got = [...signalsTo(row)];
  if (got.length > 0) {
    lines.push(heading(`signals received: ${got.length}`));
    const frozen = got.filter(freezes);
    const rest = got.filter((sig) => !freezes(sig));
    // The last ones are those that tell.
    const told = rest.slice(-MOST).map((sig) => {
      const words = `${text(SIG.name[sig])} from ${text(SIG.sender[sig])}: ${text(SIG.fared[sig])}`;
      return plain(words, { when: SIG.at[sig], lead: subject(SIGNAL, sig) });
    });
    if (frozen.length > 0) {
      const stops = frozen.filter((sig) => text(SIG.name[sig]) === "SIGSTOP").length;
      const [first, last] = [frozen[0], frozen.at(-1)];
      const times = stops > 1 ? `${stops} times` : "once";
      const within = duration(SIG.at[last] - SIG.at[first]);
      const words = `frozen and thawed ${times} within ${within}, first by ${text(SIG.sender[first])}`;
      told.push(plain(words, { look: "dim", when: SIG.at[first], lead: subject(SIGNAL, first) }));
    }
    lines.push(...inOrder(told), ...leftOver(rest.length));
  }
  const made = [...signalsFrom(row)];
  if (made.length > 0) {
    lines.push(heading(`signals sent: ${made.length} (v shows all it hit)`));
    const frozen = made.filter(freezes);
    const rest = made.filter((sig) => !freezes(sig));
    // Where there are too many, those that end somebody are told.
    const first = rest.filter((sig) => SIG.stops[sig]);
    const others = rest.filter((sig) => !SIG.stops[sig]);
    const told = [...first, ...others].slice(0, MOST).map((sig) => {
      const words = `${text(SIG.name[sig])} to ${text(SIG.target[sig])}`;
      const lead = SIG.to[sig] === NONE ? NONE : subject(PROC, SIG.to[sig]);
      return plain(words, { when: SIG.at[sig], lead });
    });
    if (frozen.length > 0) {
      const hit = new Set(frozen.map((sig) => SIG.to[sig])).size;
      const processes = hit === 1 ? "1 process" : `${hit} processes`;
      const words = `froze and thawed ${processes} with ${frozen.length} SIGSTOP and SIGCONT`;
      told.push(plain(words, { look: "dim", when: SIG.at[frozen[0]] }));
    }
    lines.push(...inOrder(told), ...leftOver(rest.length));
  }
  const children = [...childrenOf(row)].sort(inOrderOfBirth);
  if (children.length > 0) {
    lines.push(heading(children.length === 1 ? "1 child" : `${children.length} children`));
    for (const child of children.slice(0, MOST)) {
      lines.push(plain(label(child), { when: P.born[child], lead: subject(PROC, child) }));
    }
    lines.push(...leftOver(children.length));
  }
  return lines;
};

const signalFacts = (sig) => [
  plain(`${text(SIG.name[sig])} to ${text(SIG.target[sig])} (event ${SIG.event[sig]})`, { look: "title" }),
  plain(`sent by ${text(SIG.sender[sig])}`, {
    when: SIG.at[sig],
    lead: SIG.from[sig] === NONE ? NONE : subject(PROC, SIG.from[sig]),
  }),
  plain(text(SIG.fared[sig]), { lead: SIG.to[sig] === NONE ? NONE : subject(PROC, SIG.to[sig]) }),
  ...DATA.chains[SIG.chain[sig]].map(fact),
];

const factsOf = (about) => {
  const at = placeOf(about);
  switch (kindOf(about)) {
    case PROC:
      return processFacts(at);
    case SIGNAL:
      return signalFacts(at);
    case PHASE:
      return DATA.phases[at][4].map(fact);
    default:
      return DATA.findings[at][6].map(fact);
  }
};

const detail = () => {
  if (state.subject === null) return;
  const [title, ...rest] = factsOf(state.subject);
  $("detail-title").textContent = title.text;
  $("facts").replaceChildren(...rest.map(line));
  $("detail").scrollTop = 0;
};

// The findings, phases and tables were told without a script: now their lines lead to the lanes.
const enliven = () => {
  const button = (within, act) => {
    if (!within) return;
    const press = document.createElement("button");
    press.type = "button";
    press.className = "lead";
    press.append(...within.childNodes);
    press.addEventListener("click", act);
    within.append(press);
  };
  for (const element of document.querySelectorAll("[data-lead]")) {
    const finding = element.closest("[data-finding]");
    const of = finding ? Number(finding.dataset.finding) : null;
    const at = element.dataset.at === undefined ? undefined : Number(element.dataset.at);
    const evidence = finding ? stepsOf(of).indexOf(element) : -1;
    button(element.querySelector(".what"), () =>
      go(Number(element.dataset.lead), { finding: of ?? undefined, cursor: at, evidence, seen: true }),
    );
  }
  for (const element of document.querySelectorAll("[data-finding]")) {
    button(element.querySelector("h3"), () => goFinding(Number(element.dataset.finding)));
  }
  for (const element of document.querySelectorAll("details.table")) element.open = false;
  for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
};

// The steps of a finding that lead somewhere.
const stepsOf = (finding) => [...document.querySelectorAll(`[data-finding="${finding}"] [data-lead]`)];

// Which finding and which of its steps is shown.
let marked = "";
const markFindings = () => {
  const now = `${state.finding} ${state.evidence}`;
  if (now === marked) return;
  marked = now;
  for (const element of document.querySelectorAll("[data-finding]")) {
    const shown = Number(element.dataset.finding) === state.finding;
    element.classList.toggle("shown", shown);
    for (const [at, step] of element.querySelectorAll("[data-lead]").entries()) {
      if (shown && at === state.evidence) step.setAttribute("aria-current", "true");
      else step.removeAttribute("aria-current");
    }
  }
};
