// The picture: what is in view, and nothing else, however many processes there are.

const lanesBox = $("lanes");
const picture = $("picture");
const scale = $("scale");
const space = { labels: 0, width: 0, height: 0, row: 24, middle: 12, narrow: false };

// What is no part of the finding that is looked at.
const FADED = 0.38;

// How much room there is.
const measure = () => {
  const wide = lanesBox.clientWidth;
  space.narrow = wide < 620;
  space.labels = space.narrow ? 0 : Math.round(clamp(wide * 0.22, 150, 260));
  space.row = space.narrow ? 42 : 24;
  space.middle = space.narrow ? 29 : 12;
  space.width = wide;
  space.height = lanesBox.clientHeight;
  axis.width = Math.max(50, wide - space.labels - 14);
  $("rows").style.height = `${state.rows.length * space.row}px`;
};

const canvasFor = (canvas, width, height) => {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  c.font = "12px system-ui, sans-serif";
  c.textBaseline = "alphabetic";
  return c;
};

// So many signals of one life are drawn apart where they fall on one pixel: enough for anything but an attack.
const APART = 2000;

// Signals of a list that are in view, one for each pixel and `key`.
const inView = (list, see, key = () => 0) => {
  const [from, to] = [usAt(-8), usAt(axis.width + 8)];
  let last = Infinity;
  let before;
  let count = 0;
  for (let at = firstWhere(list.length, (n) => SIG.at[list[n]] >= from); at < list.length; at++) {
    const sig = list[at];
    if (SIG.at[sig] > to) break;
    const x = xOf(SIG.at[sig]);
    const of = key(sig);
    const other = count < APART && (of !== before || state.lit?.sigs.has(sig));
    if (Math.abs(x - last) < 0.7 && !other) continue;
    count++;
    last = x;
    before = of;
    see(sig, x);
  }
};

const draw = () => {
  const c = canvasFor(picture, space.width, space.height);
  const top = lanesBox.scrollTop;
  const first = Math.max(0, Math.floor(top / space.row));
  const last = Math.min(state.rows.length, Math.ceil((top + space.height) / space.row));
  const yOf = (at) => at * space.row - top + space.middle;
  backgrounds(c, first, last, top);
  c.save();
  c.beginPath();
  c.rect(space.labels, 0, space.width - space.labels, space.height);
  c.clip();
  c.translate(space.labels, 0);
  grid(c);
  const shownRows = state.rows.slice(first, last).map((row, n) => ({ row, at: first + n }));
  const each = (paint) => {
    for (const { row, at } of shownRows) if (!isDim(row)) paint(c, row, at);
    const dim = shownRows.filter(({ row }) => isDim(row));
    if (dim.length > 0) faded(c, (layer) => dim.forEach(({ row, at }) => paint(layer, row, at)));
  };
  each((on, row, at) => {
    if (row.procs) for (const proc of row.procs) life(on, proc, yOf(at));
    else if (!row.open) crowd(on, row, at * space.row - top);
  });
  for (let at = first; at < last; at++) arrows(c, at, yOf);
  c.globalAlpha = 1;
  each((on, row, at) => row.procs?.forEach((proc) => marks(on, proc, yOf(at))));
  for (const { row, at } of shownRows) {
    if (row.procs) note(c, row, row.procs.map((proc) => [xOf(P.born[proc]), xOf(P.end[proc])]), yOf(at));
  }
  c.restore();
  labels(first, last);
  drawScale();
};

// What is faded is drawn whole on a layer that is laid on faded: lives that lie on each other would not fade.
const shade = document.createElement("canvas");
const faded = (c, paint) => {
  const layer = canvasFor(shade, space.width, space.height);
  layer.translate(space.labels, 0);
  paint(layer);
  c.save();
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.globalAlpha = FADED;
  c.drawImage(shade, 0, 0);
  c.restore();
};

const isDim = (row) => state.lit !== null && row.procs !== undefined && !row.procs.some((proc) => state.lit.procs.has(proc));

const backgrounds = (c, first, last, top) => {
  for (let at = first; at < last; at++) {
    const y = at * space.row - top;
    if (at === state.row) c.fillStyle = ink.chosen;
    else if (at % 2 === 1) c.fillStyle = ink.stripe;
    else continue;
    c.fillRect(0, y, space.width, space.row);
  }
  if (space.labels > 0) {
    c.fillStyle = ink.line;
    c.fillRect(space.labels - 5, 0, 1, space.height);
  }
};

// Where the phases begin, where idle time is left out, and the cursor.
const grid = (c) => {
  c.fillStyle = ink.line;
  for (const us of ticks(110)) c.fillRect(Math.round(xOf(us)), 0, 1, space.height);
  c.strokeStyle = ink.edge;
  c.lineWidth = 1;
  c.setLineDash([1, 3]);
  for (const phase of DATA.phases) {
    const x = Math.round(xOf(phase[2])) + 0.5;
    stroke(c, [[x, 0], [x, space.height]]);
  }
  c.setLineDash([]);
  c.strokeStyle = ink.seam;
  for (const { x } of seams()) {
    c.beginPath();
    for (let y = 0; y <= space.height; y += 4) c.lineTo(x + (y % 8 === 0 ? -2 : 2), y);
    c.stroke();
  }
  if (state.cursor !== null) {
    c.strokeStyle = ink.focus;
    c.setLineDash([4, 3]);
    const x = Math.round(xOf(state.cursor)) + 0.5;
    stroke(c, [[x, 0], [x, space.height]]);
    c.setLineDash([]);
  }
};

// Where idle time is cut short, in view.
const seams = () => {
  const [from, to] = [usAt(0), usAt(axis.width)];
  const all = [];
  for (let at = firstWhere(axis.cuts.length, (n) => axis.cuts[n].to > from); at < axis.cuts.length; at++) {
    const cut = axis.cuts[at];
    if (cut.from >= to) break;
    const x = xOf((cut.from + cut.to) / 2);
    if (all.length > 0 && x - all[all.length - 1].x < 3) all[all.length - 1].left += cut.to - cut.from;
    else all.push({ x, left: cut.to - cut.from });
  }
  return all;
};

const life = (c, proc, y) => {
  const [from, to] = [xOf(P.born[proc]), xOf(P.end[proc])];
  if (to < -10 || from > axis.width + 10) return;
  const [left, right] = [Math.max(from, -10), Math.min(to, axis.width + 10)];
  const kind = P.restarted[proc] ? "heir" : "run";
  if (P.told[proc] === null) {
    LIVES[kind](c, left, right, y);
    return;
  }
  const told = clamp(xOf(P.told[proc]), left, right);
  if (told > left) LIVES[kind](c, left, told, y);
  if (right > told || told >= left) LIVES[P.ignoring[proc] ? "ignoring" : "told"](c, told, right, y);
};

// How many of a folded group live, over time.
const crowd = (c, row, y) => {
  const living = new Int32Array(Math.ceil(axis.width) + 2);
  const column = (us) => clamp(Math.floor(xOf(us)), -1, living.length - 2);
  const end = usAt(axis.width);
  const count = (proc) => {
    if (P.born[proc] > end) return;
    living[Math.max(0, column(P.born[proc]))]++;
    living[column(P.end[proc]) + 1]--;
  };
  if (row.title === OTHERS) for (let proc = DATA.others; proc < PROCS; proc++) count(proc);
  else for (const lane of DATA.lanes) if (lane[0] === row.title) lane[3].forEach(count);
  let now = 0;
  let most = 1;
  for (let x = 0; x < living.length; x++) most = Math.max(most, (living[x] = now += living[x]));
  c.globalAlpha = 0.35;
  c.fillStyle = ink.run;
  for (let x = 0; x < axis.width; x++) {
    const high = (living[x] / most) * (space.row - 6);
    c.fillRect(x, y + space.row - 2 - high, 1, high);
  }
  c.globalAlpha = 1;
};

// Signals from their senders to the lanes of a row, and from the dead to those that took their places.
const arrows = (c, at, yOf) => {
  const row = state.rows[at];
  if (!row.procs) return;
  for (const proc of row.procs) {
    inView(signalsTo(proc), (sig, x) => {
      const from = state.rowOf.get(SIG.from[sig]);
      if (!SIG.stops[sig] || from === undefined || from === at) return;
      const lit = state.lit ? state.lit.sigs.has(sig) : isMeant(sig);
      c.globalAlpha = lit ? 1 : state.lit ? 0.15 : 0.5;
      c.strokeStyle = SIG.kills[sig] ? ink.bad : ink.signal;
      c.lineWidth = lit ? 2 : 1;
      const down = from < at;
      stroke(c, [[x, yOf(from)], [x, yOf(at) - (down ? 6 : -6)]]);
    }, (sig) => SIG.from[sig] * 2 + SIG.kills[sig]);
    const old = P.old[proc];
    const there = state.rowOf.get(old);
    if (old === NONE || there === undefined || there === at) continue;
    c.globalAlpha = isDim(row) ? 0.2 : 0.9;
    c.strokeStyle = ink.heir;
    c.lineWidth = 1.5;
    c.setLineDash([3, 2]);
    c.beginPath();
    c.moveTo(xOf(P.end[old]), yOf(there));
    const middle = (yOf(there) + yOf(at)) / 2;
    c.bezierCurveTo(xOf(P.end[old]), middle, xOf(P.born[proc]), middle, xOf(P.born[proc]), yOf(at));
    c.stroke();
    c.setLineDash([]);
  }
};

// Whether the details tell of a signal, or of one of its two ends.
const isMeant = (sig) => {
  if (state.subject === null) return false;
  const at = placeOf(state.subject);
  if (kindOf(state.subject) === SIGNAL) return sig === at;
  return kindOf(state.subject) === PROC && (SIG.from[sig] === at || SIG.to[sig] === at);
};

// The signs on a life; where it begins and ends.
const marks = (c, proc, y) => {
  const [from, to] = [xOf(P.born[proc]), xOf(P.end[proc])];
  const inside = (x) => x >= -8 && x <= axis.width + 8;
  if (P.forked[proc] && inside(from)) MARKS[P.restarted[proc] ? "reborn" : "born"](c, from, y);
  const end = END_MARKS[P.mark[proc]];
  // A death is seen even where the signal that brought it is; what somebody sent before a good end is seen as well.
  if (inside(to) && end !== "killed") MARKS[end](c, to, y);
  inView(signalsFrom(proc), (sig, x) => {
    if (SIG.deed[sig]) MARKS.sent(c, x, y);
  });
  inView(signalsTo(proc), (sig, x) => {
    if (!SIG.stops[sig] || SIG.from[sig] === proc) return;
    const from = state.rowOf.get(SIG.from[sig]);
    const here = state.rowOf.get(proc);
    MARKS[SIG.kills[sig] ? "kill" : "hit"](c, x, y - (from > here ? -6 : 6), from > here);
  });
  if (inside(to) && end === "killed") MARKS.killed(c, to, y);
  if (state.subject === subject(PROC, proc)) {
    c.strokeStyle = ink.focus;
    c.lineWidth = 1.5;
    const [left, right] = [Math.max(from, -20) - 9, Math.min(to, axis.width + 20) + 9];
    c.strokeRect(left, y - 10, right - left, 20);
  }
};

// Where the signs of a row are, in order, and both ends of what is in view of it.
const signsOf = (row, from, to) => {
  const places = [Math.max(from, 0), Math.min(to, axis.width)];
  for (const proc of row.procs) {
    for (const us of [P.born[proc], P.end[proc], P.told[proc]]) if (us !== null) places.push(xOf(us));
    inView(signalsFrom(proc), (sig, x) => SIG.deed[sig] && places.push(x));
    inView(signalsTo(proc), (sig, x) => SIG.stops[sig] && places.push(x));
  }
  return places.filter((x) => x >= 0 && x <= axis.width).sort((a, b) => a - b);
};

// The last gap between signs that has room for words, and whether it is the one before the end; undefined: there is none.
const gapFor = (wide, signs) => {
  for (let at = signs.length - 1; at > 0; at--) {
    if (signs[at] - signs[at - 1] >= wide + 34) return [signs[at] - wide - 14, signs.at(-1) - signs[at] < 1];
  }
  return undefined;
};

// Words behind the end of a life, or on it, never over its signs. Where they stand at a time when that had not happened
// yet, an arrow says what they are about.
const note = (c, row, spans, y) => {
  const from = least(spans.map((span) => span[0]));
  const to = most(spans.map((span) => span[1]));
  c.font = "12px system-ui, sans-serif";
  const put = (words, x, colour, at = y) => {
    const wide = c.measureText(words).width;
    c.fillStyle = state.rows[state.row] === row ? ink.chosen : ink.panel;
    c.globalAlpha = 1;
    c.fillRect(x - 3, at - 8, wide + 6, 16);
    // Faded they could not be read: they lose their colour instead.
    c.fillStyle = isDim(row) ? ink.dim : colour;
    c.fillText(words, x, at + 4);
  };
  if (to < 0) return put(`‹ until ${moment(P.end[row.procs.at(-1)])}`, 2, ink.dim);
  if (from > axis.width) {
    const words = `from ${moment(P.born[row.procs[0]])} ›`;
    return put(words, axis.width - c.measureText(words).width, ink.dim);
  }
  if (row.note === NONE) return undefined;
  const [look, ...texts] = DATA.notes[row.note];
  if (to > axis.width && text(look) !== "accent") return undefined;
  const colour = ink[text(look)] ?? ink.dim;
  const width = (words) => c.measureText(words).width;
  if (space.narrow) {
    // Names stand above the lanes, and so do words: at the other end of that line.
    const name = width(row.label) + 24;
    const words = texts.map(text).find((words) => name + width(words) < axis.width);
    if (words) put(words, axis.width - width(words), colour, y - 19);
    return undefined;
  }
  const signs = signsOf(row, from, to);
  for (const words of texts.map(text)) {
    const wide = width(words);
    if (to + 14 + wide <= axis.width + 8) return put(words, Math.max(to, 0) + 13, colour);
    const [x, last] = gapFor(wide, signs) ?? [];
    if (last) return put(words, x, colour);
  }
  for (const words of texts.map((at) => `${text(at)} →`)) {
    const wide = width(words);
    const [x] = gapFor(wide, signs) ?? [];
    if (x !== undefined) return put(words, x, colour);
    if (wide + 16 < from) return put(words, from - wide - 10, colour);
  }
  return undefined;
};

// The scale: moments, and how much idle time is left out where.
const drawScale = () => {
  const c = canvasFor(scale, space.width, 22);
  c.translate(space.labels, 0);
  let free = -Infinity;
  const step = pixel() * 10;
  for (const { x, left } of seams()) {
    const words = `≀ ${duration(left)}`;
    const wide = c.measureText(words).width;
    if (x < free + 8 || x + wide > axis.width) continue;
    c.fillStyle = ink.warn;
    c.fillText(words, x - 2, 15);
    free = x + wide;
  }
  const taken = seams().map(({ x, left }) => [x - 8, x + 8 + c.measureText(`≀ ${duration(left)}`).width]);
  for (const us of ticks(110)) {
    const x = xOf(us);
    const words = moment(us, step);
    const wide = c.measureText(words).width;
    if (x + wide + 6 > axis.width || taken.some(([from, to]) => x < to && x + wide > from)) continue;
    c.fillStyle = ink.edge;
    c.fillRect(Math.round(x), 6, 1, 16);
    c.fillStyle = ink.dim;
    c.fillText(words, x + 5, 15);
  }
  ribbon();
};
