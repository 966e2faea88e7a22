// Time: as it is written, and as it lies on the axis. Microseconds since the beginning of the shutdown.

// `+3.25 s`, with as many digits as `step` is worth; as timeline::moment of the viewer writes it.
const moment = (us, step = 1e4) => {
  const sign = us < 0 ? "-" : "+";
  const since = Math.abs(us);
  const digits = step >= 1e5 ? 1 : step >= 1e4 ? 2 : step >= 1e3 ? 3 : step >= 100 ? 4 : step >= 10 ? 5 : 6;
  if (since >= 600e6 && step >= 1e5) {
    const seconds = Math.floor(since / 1e6);
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    return hours === 0
      ? `${sign}${minutes}:${two(seconds % 60)} min`
      : `${sign}${hours}:${two(minutes)}:${two(seconds % 60)} h`;
  }
  const part = Math.floor((since % 1e6) / 10 ** (6 - digits));
  return `${sign}${Math.floor(since / 1e6)}.${String(part).padStart(digits, "0")} s`;
};

// `11.9 s`, `4 min 10 s`.
const duration = (us) => {
  const tenths = Math.round(us / 1e5);
  if (us < 999.5) return `${Math.round(us)} us`;
  if (us < 999950) return `${(us / 1e3).toFixed(1)} ms`;
  if (tenths < 600) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
  const s = Math.round(us / 1e6);
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  const min = Math.round(us / 60e6);
  if (min < 1440) return `${Math.floor(min / 60)} h ${min % 60} min`;
  const h = Math.round(us / 3600e6);
  return `${Math.floor(h / 24)} d ${h % 24} h`;
};

// What the clock of the machine showed: `03:08:23`.
const clock = (us) => {
  const second = Math.floor(DATA.wall + us / 1e6);
  const two = (n) => String(((n % 60) + 60) % 60).padStart(2, "0");
  const hour = ((Math.floor(second / 3600) % 24) + 24) % 24;
  return `${String(hour).padStart(2, "0")}:${two(Math.floor(second / 60))}:${two(second)}`;
};

// Stretches in which nothing happens, drawn as if they were short.
const IDLE = 1e6;
const KEPT = 4e5;
const idleCuts = () => {
  const times = [DATA.span[0], DATA.span[1]];
  for (let row = 0; row < PROCS; row++) times.push(P.born[row], P.end[row]);
  for (let at = 0; at < SIGS; at++) times.push(SIG.at[at]);
  const inside = Float64Array.from(times.filter((us) => us >= DATA.span[0] && us <= DATA.span[1])).sort();
  const cuts = [];
  let saved = 0;
  for (let at = 1; at < inside.length; at++) {
    if (inside[at] - inside[at - 1] <= IDLE) continue;
    const from = inside[at - 1] + KEPT / 4;
    const to = inside[at] - KEPT / 4;
    cuts.push({ from, to, saved });
    saved += to - from - KEPT / 2;
  }
  return cuts;
};

// The axis: what is shown (`from`, `to`), in shortened time, on `width` pixels.
const axis = { from: 0, to: 1, width: 100, cuts: [] };
const savedAfter = (cut) => cut.saved + (cut.to - cut.from) - KEPT / 2;

// Shortened time of a moment, and back.
const shown = (us) => {
  const at = firstWhere(axis.cuts.length, (at) => axis.cuts[at].to > us);
  const cut = axis.cuts[at];
  if (cut && cut.from < us) return cut.from - cut.saved + ((us - cut.from) * (KEPT / 2)) / (cut.to - cut.from);
  return at > 0 ? us - savedAfter(axis.cuts[at - 1]) : us;
};
const real = (view) => {
  const at = firstWhere(axis.cuts.length, (at) => axis.cuts[at].to - savedAfter(axis.cuts[at]) > view);
  const cut = axis.cuts[at];
  if (cut && cut.from - cut.saved < view) {
    return cut.from + ((view - (cut.from - cut.saved)) * (cut.to - cut.from)) / (KEPT / 2);
  }
  return at > 0 ? view + savedAfter(axis.cuts[at - 1]) : view;
};

const xOf = (us) => ((shown(us) - axis.from) / (axis.to - axis.from)) * axis.width;
const usAt = (x) => real(axis.from + (x / axis.width) * (axis.to - axis.from));
const pixel = () => (axis.to - axis.from) / axis.width;

const CLOSEST = 20;
const margin = (DATA.span[1] - DATA.span[0]) / 50 + 1000;

// Shows from `from` to `to` of shortened time, within what was recorded.
const setView = (from, to) => {
  const least = shown(DATA.span[0] - margin);
  const most = shown(DATA.span[1] + margin);
  const span = clamp(to - from, CLOSEST, most - least);
  const middle = (from + to) / 2;
  const begin = clamp(middle - span / 2, least, most - span);
  axis.from = begin;
  axis.to = begin + span;
};

// Round moments, `apart` pixels or more from each other.
const ticks = (apart) => {
  const from = usAt(0);
  const to = usAt(axis.width);
  if (axis.cuts.some((cut) => cut.from < to && cut.to > from)) {
    return Array.from({ length: Math.floor(axis.width / apart) }, (_, n) => usAt(n * apart));
  }
  const least = pixel() * apart;
  let step = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  while (step < least) step *= String(step)[0] === "2" ? 2.5 : 2;
  const all = [];
  for (let us = Math.ceil(from / step) * step; us <= to && all.length < 200; us += step) all.push(us);
  return all;
};
