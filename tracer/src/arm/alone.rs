//! Who arms or disarms is alone with it.
//!
//! Invariant: nobody waits for ever. Whoever else arms or disarms is waited for as long as that may take; a recorder that ends its
//! recording is given some seconds, and then told to leave: what it leaves undone whoever comes next does, for the armed file is the
//! last to go.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::LEAVE_MS;
use crate::{
    error::Error,
    lock::{self, Holder, Lock},
    say,
    status::Status,
};

/// How long somebody else who arms or disarms is waited for: longer than that takes.
const OTHERS: Duration = Duration::from_secs(150);
/// After this it is said who is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a recorder may take to end its recording, after that.
const ENDING: Duration = Duration::from_secs(4);

/// Makes sure that nobody else arms or disarms meanwhile.
pub(super) fn alone() -> Result<Lock, Error> {
    let begin = Instant::now();
    if let Some(lock) = lock::arming(PATIENCE)? {
        return Ok(lock);
    }
    let run = Path::new(lock::RUN);
    let holder = lock::arming_holder(run);
    let recorder = holder.as_ref().filter(|holder| ends_its_recording(run, holder));
    let who = who(holder.as_ref(), recorder.is_some());
    say::remark(&format!("{who} is under way; waiting for it"));
    if let Some(recorder) = recorder {
        if let Some(lock) = lock::arming(ENDING)? {
            return Ok(lock);
        }
        if !lock::send_away(recorder, LEAVE_MS) {
            let next = format!(
                "it leaves when the disk answers: try again then; or end it (`kill -9 {}`) and run this again",
                recorder.pid
            );
            return Err(still_there(&who, begin, next));
        }
    }
    lock::arming(OTHERS)?.ok_or_else(|| {
        let next = "see what it does (`pgrep -a lastrites`), end it, and run this again".to_owned();
        still_there(&who, begin, next)
    })
}

/// Whether it is a recorder: nobody else's pid is in the status file while he holds this lock.
fn ends_its_recording(run: &Path, holder: &Holder) -> bool {
    Status::load(run).is_some_and(|status| status.pid == holder.pid) && lock::is_recorder(holder.pid)
}

fn who(holder: Option<&Holder>, is_recorder: bool) -> String {
    let what = if is_recorder { "the end of a recording" } else { "another `arm` or `disarm`" };
    match holder {
        Some(holder) if holder.pid > 0 => format!("{what} (process {}, since {})", holder.pid, holder.since),
        _ => what.to_owned(),
    }
}

fn still_there(who: &str, begin: Instant, next: String) -> Error {
    let why = format!("{who} has not come to an end for {} s", begin.elapsed().as_secs());
    Error::failed("arming or disarming", why, next)
}
