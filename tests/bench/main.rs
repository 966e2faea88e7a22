//! What recording costs: the same storm with the probe attached and without, in turn.
//!
//!     lastrites-bench cost [REPETITIONS]      added time per operation, against nothing attached
//!     lastrites-bench loss                    what is lost of a storm, drained and undrained
//!     lastrites-bench peers [REPETITIONS]     the same storm under `perf record`, where it is installed
//!     lastrites-bench count FILE              what a recording holds, per name and kind: for other benches
//!
//! Wants root and a release build of `lastrites-tracer` and `lastrites` beside itself. Machines
//! are noisy: every figure is the median over interleaved pairs, and ratios count more than
//! nanoseconds. Nothing here passes or fails.

mod recorder;
mod workload;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use recorder::Recorder;
use workload::Mode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["workload", mode, operations] => run_workload(mode, operations),
        ["cost"] => cost(7, &Recorder::lastrites),
        ["cost", repetitions] => parse(repetitions).and_then(|n| cost(n, &Recorder::lastrites)),
        ["peers"] => cost(7, &Recorder::perf),
        ["peers", repetitions] => parse(repetitions).and_then(|n| cost(n, &Recorder::perf)),
        ["loss"] => loss(),
        ["count", file] => print_counts(Path::new(file)),
        _ => Err(io::Error::other("usage: lastrites-bench cost [N] | peers [N] | loss | count FILE")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lastrites-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(number: &str) -> io::Result<u32> {
    number.parse().map_err(|_| io::Error::other(format!("{number}: not a number of repetitions")))
}

fn run_workload(mode: &str, operations: &str) -> io::Result<()> {
    let mode = Mode::parse(mode).ok_or_else(|| io::Error::other(format!("{mode}: no such workload")))?;
    let operations = parse(operations)?;
    let taken = workload::run(mode, operations)?;
    println!("{:.1}", taken.as_secs_f64() * 1e9 / f64::from(operations));
    Ok(())
}

/// Prints one line per mode: bare, recorded, difference and ratio, each a median over pairs.
fn cost(repetitions: u32, start: &dyn Fn() -> io::Result<Recorder>) -> io::Result<()> {
    let mut pairs: Vec<Vec<(f64, f64)>> = vec![Vec::new(); Mode::ALL.len()];
    for _ in 0..repetitions {
        let mut bare = Vec::new();
        for mode in Mode::ALL {
            bare.push(workload::measure(mode)?);
        }
        let recorder = start()?;
        for (index, mode) in Mode::ALL.into_iter().enumerate() {
            pairs[index].push((bare[index], workload::measure(mode)?));
        }
        recorder.stop()?;
    }
    println!("{:<8} {:>12} {:>12} {:>10} {:>7}", "mode", "bare ns/op", "with ns/op", "added ns", "ratio");
    for (mode, pairs) in Mode::ALL.into_iter().zip(pairs) {
        let of = |f: &dyn Fn(&(f64, f64)) -> f64| median(pairs.iter().map(f).collect());
        println!(
            "{:<8} {:>12.0} {:>12.0} {:>10.0} {:>7.3}",
            mode.name(),
            of(&|pair| pair.0),
            of(&|pair| pair.1),
            of(&|pair| pair.1 - pair.0),
            of(&|pair| pair.1 / pair.0),
        );
    }
    Ok(())
}

/// One line for each name and kind: name, kind, number.
fn print_counts(file: &Path) -> io::Result<()> {
    let counts = recorder::count(file)?;
    for (name, of) in counts.iter() {
        let name = name.replace(char::is_whitespace, "_");
        for (kind, n) in recorder::KINDS.into_iter().zip(of).filter(|(_, n)| *n > 0) {
            println!("{name} {kind} {n}");
        }
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Prints, per kind, how many events of a storm were expected, recorded and reported as lost.
fn loss() -> io::Result<()> {
    let recorder = Recorder::lastrites()?;
    for mode in Mode::ALL {
        workload::measure(mode)?;
    }
    let file = recorder.stop()?.ok_or_else(|| io::Error::other("the recorder kept no file"))?;
    let counts = recorder::count(&file)?;
    println!("{:<8} {:>9} {:>9} {:>9} {:>9} {:>9}", "mode", "fork", "exec", "exit", "signal", "deliver");
    for mode in Mode::ALL {
        let n = u64::from(mode.operations());
        let (fork, exec, exit, signal, deliver) = mode.events();
        let expected = [fork, exec, exit, signal, deliver].map(|each| u64::from(each) * n);
        let seen = counts.of(&format!("lb_{}", mode.name()));
        print!("{:<8}", mode.name());
        for (seen, expected) in seen.into_iter().zip(expected) {
            print!(" {seen:>9}");
            if seen < expected {
                print!("(-{})", expected - seen);
            }
        }
        println!();
    }
    println!("lost, as recorded: {}", counts.lost);
    println!("{} events in all", counts.total);
    Ok(())
}
