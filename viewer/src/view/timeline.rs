//! Time on columns.
//!
//! Invariant: later is never further left. Places are counted in view nanoseconds, which are those of the recording
//! except where idle time is cut short.

use std::collections::BTreeMap;

/// A stretch in which nothing happened, drawn as if it took `keep_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub from_ns: u64,
    pub to_ns: u64,
    pub keep_ns: u64,
    /// What all cuts before it have saved.
    saved_ns: u64,
}

/// Time with its idle stretches cut short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warp {
    cuts: Vec<Cut>,
}

/// Idle time that is shorter stays as it is.
const IDLE_NS: u64 = 1_000_000_000;
/// What remains of it.
const KEEP_NS: u64 = 400_000_000;

impl Warp {
    /// Cuts the stretches between `times` (in order) in which nothing happened.
    pub fn of(times: impl IntoIterator<Item = u64>) -> Self {
        let mut cuts: Vec<Cut> = Vec::new();
        let mut saved_ns = 0;
        let mut last: Option<u64> = None;
        for ns in times {
            if let Some(from) = last.filter(|from| ns.saturating_sub(*from) > IDLE_NS) {
                // A little before and after stays, so that what borders on it is not at its edge.
                let (from_ns, to_ns) = (from + KEEP_NS / 4, ns - KEEP_NS / 4);
                cuts.push(Cut { from_ns, to_ns, keep_ns: KEEP_NS / 2, saved_ns });
                saved_ns += to_ns - from_ns - KEEP_NS / 2;
            }
            last = Some(ns);
        }
        Self { cuts }
    }

    /// The same of times in any order, however many: of each stretch that is too short to be cut two are kept.
    pub fn of_unsorted(times: impl IntoIterator<Item = u64>) -> Self {
        let mut stretches: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        // Most times are close to the one before.
        let mut last: Option<(u64, (u64, u64))> = None;
        let widen = |stretches: &mut BTreeMap<u64, (u64, u64)>, (number, (from, to)): (u64, (u64, u64))| {
            let known = stretches.entry(number).or_insert((from, to));
            *known = (known.0.min(from), known.1.max(to));
        };
        for ns in times {
            let number = ns / IDLE_NS;
            match &mut last {
                Some((of, (from, to))) if *of == number => (*from, *to) = (ns.min(*from), ns.max(*to)),
                _ => {
                    last.replace((number, (ns, ns))).into_iter().for_each(|one| widen(&mut stretches, one));
                }
            }
        }
        last.into_iter().for_each(|one| widen(&mut stretches, one));
        Self::of(stretches.into_values().flat_map(|(from, to)| [from, to]))
    }

    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    pub fn is_none(&self) -> bool {
        self.cuts.is_empty()
    }

    pub fn view(&self, ns: u64) -> u64 {
        let at = self.cuts.partition_point(|cut| cut.to_ns <= ns);
        match (self.cuts.get(at), at.checked_sub(1).and_then(|at| self.cuts.get(at))) {
            (Some(cut), _) if cut.from_ns < ns => {
                let part = u128::from(ns - cut.from_ns) * u128::from(cut.keep_ns);
                cut.from_ns - cut.saved_ns + (part / u128::from(cut.to_ns - cut.from_ns)) as u64
            }
            (_, Some(before)) => ns - before.saved_after(),
            (_, None) => ns,
        }
    }

    pub fn real(&self, view: u64) -> u64 {
        let at = self.cuts.partition_point(|cut| cut.to_ns - cut.saved_after() <= view);
        match (self.cuts.get(at), at.checked_sub(1).and_then(|at| self.cuts.get(at))) {
            (Some(cut), _) if cut.from_ns - cut.saved_ns < view => {
                let part =
                    u128::from(view - (cut.from_ns - cut.saved_ns)) * u128::from(cut.to_ns - cut.from_ns);
                cut.from_ns + (part / u128::from(cut.keep_ns)) as u64
            }
            (_, Some(before)) => view.saturating_add(before.saved_after()),
            (_, None) => view,
        }
    }
}

impl Cut {
    const fn saved_after(&self) -> u64 {
        self.saved_ns + (self.to_ns - self.from_ns) - self.keep_ns
    }
}

/// What is on screen: view nanoseconds from and to, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: u64,
    pub to: u64,
}

/// The closest one can look: a microsecond or so a column.
pub const CLOSEST_NS: u64 = 20_000;

/// A window laid on columns.
#[derive(Debug, Clone, Copy)]
pub struct Axis<'a> {
    pub warp: &'a Warp,
    pub window: Window,
    pub columns: u16,
}

impl Axis<'_> {
    fn span(&self) -> u64 {
        (self.window.to - self.window.from.min(self.window.to)).max(1)
    }

    /// The column of a moment; outside the window it is negative or beyond the last one.
    pub fn column(&self, ns: u64) -> i32 {
        let since = i128::from(self.warp.view(ns)) - i128::from(self.window.from);
        let at = (since * i128::from(self.columns)).div_euclid(i128::from(self.span()));
        at.clamp(-1, i128::from(self.columns)) as i32
    }

    /// The first moment of a column.
    pub fn start(&self, column: u16) -> u64 {
        let into = u128::from(self.span()) * u128::from(column);
        self.warp.real(self.window.from + into.div_ceil(u128::from(self.columns.max(1))) as u64)
    }

    /// Where idle time is cut short: columns in order, with the time that is left out there.
    pub fn seams(&self) -> Vec<(u16, u64)> {
        let (from, to) = (self.start(0), self.warp.real(self.window.to));
        let cuts = &self.warp.cuts;
        let first = cuts.partition_point(|cut| cut.to_ns <= from);
        let middle = |cut: &Cut| cut.from_ns + (cut.to_ns - cut.from_ns) / 2;
        let mut seams = Vec::new();
        let mut at = first;
        // A recording of days has more cuts than a screen has columns: those of one column are found by halving.
        while let Some(cut) = cuts.get(at).filter(|cut| cut.from_ns < to) {
            let column = self.column(middle(cut));
            if column >= i32::from(self.columns) {
                break;
            }
            let behind = self.start((column + 1) as u16);
            let end = at + cuts[at..].partition_point(|cut| middle(cut) < behind).max(1);
            if column >= 0 {
                seams.push((column as u16, cuts[end - 1].saved_after() - cut.saved_ns));
            }
            at = end;
        }
        seams
    }

    /// Nanoseconds that a column stands for, outside of what is cut short.
    pub fn column_ns(&self) -> u64 {
        self.span() / u64::from(self.columns.max(1))
    }

    /// Columns with their moments, for a scale: on round times since `zero`, `apart` columns or more from each other.
    pub fn ticks(&self, zero: u64, apart: u16) -> Vec<(u16, u64)> {
        let (from, to) = (self.start(0), self.warp.real(self.window.to));
        let warped = self.warp.cuts.iter().any(|cut| cut.from_ns < to && cut.to_ns > from);
        let apart = apart.max(2);
        if warped {
            return (0..self.columns / apart).map(|n| (n * apart, self.start(n * apart))).collect();
        }
        let step = round_up(self.column_ns().max(1).saturating_mul(apart.into()));
        let first = i128::from(from) - i128::from(zero);
        let mut at = first.div_euclid(i128::from(step)) * i128::from(step) + i128::from(zero);
        let mut ticks = Vec::new();
        while at <= i128::from(to) && ticks.len() < 200 {
            if at >= i128::from(from) {
                let column = self.column(at as u64);
                if (0..i32::from(self.columns)).contains(&column) {
                    ticks.push((column as u16, at as u64));
                }
            }
            at += i128::from(step);
        }
        ticks
    }
}

/// The next of 1, 2, 5, 10, ... that is not less.
fn round_up(ns: u64) -> u64 {
    let mut decade: u64 = 1;
    loop {
        for step in [1, 2, 5] {
            if decade.saturating_mul(step) >= ns {
                return decade.saturating_mul(step);
            }
        }
        decade = decade.saturating_mul(10);
    }
}

/// `+3.2 s`, with as many digits as a column is worth.
pub fn moment(ns: u64, zero: u64, resolution_ns: u64) -> String {
    let since = i128::from(ns) - i128::from(zero);
    let (sign, since) = (if since < 0 { '-' } else { '+' }, since.unsigned_abs());
    let digits = match resolution_ns {
        100_000_000.. => 1,
        10_000_000.. => 2,
        1_000_000.. => 3,
        100_000.. => 4,
        10_000.. => 5,
        _ => 6,
    };
    let second = 1_000_000_000;
    if since >= 600 * second && resolution_ns >= 100_000_000 {
        let seconds = since / second;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        return match hours {
            0 => format!("{sign}{minutes}:{:02} min", seconds % 60),
            _ => format!("{sign}{hours}:{minutes:02}:{:02} h", seconds % 60),
        };
    }
    let unit = 10u128.pow(9 - digits);
    let part = since % second / unit;
    format!("{sign}{}.{part:0digits$} s", since / second, digits = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn later_is_never_further_left(mut times in proptest::collection::vec(0u64..100_000_000_000, 2..40)) {
            times.sort_unstable();
            let warp = Warp::of(times.iter().copied());
            let mut last = 0;
            for ns in (0..110_000_000_000u64).step_by(770_000_001) {
                let view = warp.view(ns);
                prop_assert!(view >= last && view <= ns);
                let back = warp.real(view);
                // Within a cut a view nanosecond stands for many.
                let there = warp.cuts().iter().any(|cut| cut.from_ns <= ns && ns <= cut.to_ns);
                prop_assert!(there || back == ns, "{ns} {view} {back}");
                last = view;
            }
        }

        #[test]
        fn times_in_any_order_are_cut_like_those_in_order(
            times in proptest::collection::vec(prop_oneof![0u64..9_000_000_000, 0u64..100_000_000_000], 1..60),
        ) {
            let mut sorted = times.clone();
            sorted.sort_unstable();
            prop_assert_eq!(Warp::of_unsorted(times), Warp::of(sorted));
        }

        #[test]
        fn a_column_begins_where_it_says(from in 0u64..1_000_000_000_000, span in 20_000u64..1_000_000_000_000, columns in 1u16..300) {
            let warp = Warp::default();
            let axis = Axis { warp: &warp, window: Window { from, to: from + span }, columns };
            for column in 0..columns {
                prop_assert_eq!(axis.column(axis.start(column)), i32::from(column));
            }
        }
    }

    #[test]
    fn every_cut_in_view_has_a_seam() {
        let second = 1_000_000_000;
        let warp = Warp::of([0, 10 * second, 11 * second, 31 * second]);
        let whole = Window { from: 0, to: warp.view(31 * second) };
        let axis = Axis { warp: &warp, window: whole, columns: 100 };
        let seams = axis.seams();
        let left_out: Vec<u64> = seams.iter().map(|(_, ns)| ns / second).collect();
        assert_eq!(left_out, [9, 19]);
        assert!(seams[0].0 > axis.column(0) as u16 && seams[0].0 < axis.column(10 * second) as u16);
        let after = Axis { window: Window { from: warp.view(10 * second), ..whole }, ..axis };
        assert_eq!(after.seams().len(), 1);
        let narrow = Axis { columns: 1, ..axis };
        assert_eq!(narrow.seams().iter().map(|(_, ns)| ns / second).collect::<Vec<_>>(), [29]);
        assert!(Axis { warp: &Warp::default(), ..axis }.seams().is_empty());
    }

    #[test]
    fn scales_are_on_round_times() {
        let warp = Warp::default();
        let axis = Axis { warp: &warp, window: Window { from: 990, to: 2_090 }, columns: 110 };
        let ticks: Vec<u64> = axis.ticks(1000, 20).iter().map(|(_, ns)| *ns).collect();
        assert_eq!(ticks, [1000, 1200, 1400, 1600, 1800, 2000]);
        assert_eq!(moment(3_250_000_000, 1_000_000_000, 10_000_000), "+2.25 s");
        assert_eq!(moment(999_999_000, 1_000_000_000, 1_000), "-0.000001 s");
        assert_eq!(moment(3_725_000_000_000, 0, 1_000_000_000), "+1:02:05 h");
    }
}
