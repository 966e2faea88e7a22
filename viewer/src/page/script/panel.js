// What stands beside and above the picture: names of lanes, phases, and the tip under the pointer. Elements, so that they
// can be read aloud; only those that are in view exist.

const names = [];

const labels = (first, last) => {
  const box = $("rows");
  while (names.length < last - first) {
    const name = document.createElement("div");
    name.setAttribute("role", "treeitem");
    name.append(document.createElement("span"));
    names.push(name);
    box.append(name);
  }
  while (names.length > Math.max(last - first, 0)) names.pop().remove();
  for (let at = first; at < last; at++) {
    const row = state.rows[at];
    const name = names[at - first];
    name.id = `row-${at}`;
    name.style.transform = `translateY(${at * space.row}px)`;
    name.style.height = `${space.row}px`;
    name.style.width = space.narrow ? `${space.width}px` : row.procs ? `${space.labels - 6}px` : "auto";
    name.className = nameClass(row, at);
    name.setAttribute("aria-level", row.procs && row.depth > 0 ? 2 : 1);
    name.setAttribute("aria-selected", at === state.row);
    name.setAttribute("aria-posinset", at + 1);
    name.setAttribute("aria-setsize", state.rows.length);
    if (row.procs) name.removeAttribute("aria-expanded");
    else name.setAttribute("aria-expanded", row.open);
    name.firstChild.textContent = row.procs ? row.label : groupTitle(row);
    if (row.procs) name.setAttribute("aria-label", `${row.label}: ${fateWords(row)}`);
    else name.removeAttribute("aria-label");
    name.title = row.procs ? row.label : "";
  }
  lanesBox.setAttribute("aria-activedescendant", state.rows.length > 0 ? `row-${state.row}` : "");
};

const groupTitle = (row) => (row.open ? `▾ ${GROUPS[row.title]}` : `▸ ${row.count} ${GROUPS[row.title]}`);

const nameClass = (row, at) => {
  const classes = ["name"];
  if (!row.procs) classes.push("group");
  else if (row.procs.some((proc) => P.finding[proc] !== NONE)) classes.push("told");
  else if (row.procs.some((proc) => signalsFrom(proc).length > 0)) classes.push("sender");
  if (row.depth > 0 && !space.narrow) classes.push("deep");
  if (at % 2 === 1) classes.push("odd");
  if (at === state.row) classes.push("chosen");
  if (isDim(row)) classes.push("faded");
  if (row.procs?.some((proc) => state.found.has(proc))) classes.push("found");
  return classes.join(" ");
};

// How the last of a lane ended, in the viewer's words.
const fateWords = (row) => {
  if (row.note !== NONE) return text(DATA.notes[row.note][1]);
  const facts = P.facts[row.procs.at(-1)];
  return facts.length > 1 ? fact(facts[1]).text : "";
};

// The phases above the scale, as far as they are in view.
const ribbon = () => {
  const box = $("phases-shown");
  while (box.children.length < DATA.phases.length) {
    const button = document.createElement("button");
    button.type = "button";
    const at = box.children.length;
    button.addEventListener("click", () => go(subject(PHASE, at)));
    box.append(button);
  }
  DATA.phases.forEach(([kind, title, from, to, , short], at) => {
    const button = box.children[at];
    const left = clamp(xOf(from), 0, axis.width);
    const right = clamp(xOf(to), 0, axis.width);
    // A phase that is over in no time is seen nevertheless, if it is in view at all.
    const seen = right > left || (xOf(from) >= 0 && xOf(from) <= axis.width);
    button.hidden = !seen;
    button.className = `phase${kind}`;
    button.style.left = `${space.labels + left}px`;
    button.style.width = `${Math.max(right - left, 3)}px`;
    const fits = (words) => phaseWidth(words) + 12 < right - left;
    button.textContent = [text(title), text(short)].find(fits) ?? "";
    button.title = `${text(title)}, ${moment(from)}, took ${duration(to - from)}`;
    // What is said begins with what is written.
    const written = button.textContent;
    const name = button.title.startsWith(`${written},`) || written === "" ? button.title : `${written}: ${button.title}`;
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-pressed", state.subject === subject(PHASE, at));
  });
};

const ruler = document.createElement("canvas").getContext("2d");
const phaseWidth = (words) => {
  ruler.font = "12px system-ui, sans-serif";
  return ruler.measureText(words).width;
};

// Under the pointer: when it is, whose lane, and which signal is near.
const tip = (x, y) => {
  const box = $("tip");
  const at = Math.floor((y + lanesBox.scrollTop) / space.row);
  const row = state.rows[at];
  const inPicture = x > space.labels;
  const lines = [];
  if (inPicture) lines.push(`${moment(usAt(x - space.labels), pixel())} · ${clock(usAt(x - space.labels))}`);
  if (row?.procs) {
    lines.push(row.label);
    const near = inPicture ? nearSignal(row, x - space.labels) : NONE;
    if (near !== NONE) lines.push(signalWords(near));
    else if (fateWords(row)) lines.push(fateWords(row));
  }
  box.hidden = lines.length === 0;
  box.replaceChildren(...lines.map((line) => {
    const part = document.createElement("div");
    part.textContent = line;
    return part;
  }));
  const stage = $("stage").getBoundingClientRect();
  const lanes = lanesBox.getBoundingClientRect();
  const left = lanes.left - stage.left + x;
  box.style.left = `${clamp(left + 14, 0, Math.max(0, stage.width - box.offsetWidth - 4))}px`;
  box.style.top = `${lanes.top - stage.top + y + 16}px`;
};

const signalWords = (sig) => {
  const other = SIG.to[sig] === NONE ? text(SIG.target[sig]) : label(SIG.to[sig]);
  return `${text(SIG.name[sig])} to ${other}, from ${text(SIG.sender[sig])}`;
};

// The signal to or from a row that is nearest to `x`; NONE: none is near.
const nearSignal = (row, x) => {
  let best = NONE;
  let distance = 7;
  for (const proc of row.procs) {
    const see = (sig, at) => {
      const worth = Math.abs(at - x) - (SIG.kills[sig] ? 0.4 : 0) - (SIG.stops[sig] ? 0.4 : 0);
      if (worth < distance) [best, distance] = [sig, worth];
    };
    inView(signalsTo(proc), see);
    inView(signalsFrom(proc), (sig, at) => SIG.deed[sig] && see(sig, at));
  }
  return best;
};
