//! Who was there when recording began: the living, and nobody else.

use lastrites_traces::event::What;

use crate::{
    child::{Channel, Child, sleep_for_ever},
    recording::Recording,
    sandbox::Sandbox,
    sys,
};

/// A zombie of the time before was told to be running, and was one day said to ignore SIGTERM.
#[test]
fn the_dead_who_wait_to_be_reaped_are_not_counted_and_those_with_a_thread_left_are() {
    let sandbox = Sandbox::new();
    let zombie = Child::fork(|| 0);
    zombie.wait_for_zombie();
    let gone = Channel::new();
    let headless = Child::fork(|| {
        let leader = sys::getpid();
        let gone = &raw const gone as usize;
        std::thread::spawn(move || {
            // SAFETY: it lives in the frame of the test, of which this process is a copy.
            let gone = unsafe { &*(gone as *const Channel) };
            let stat = format!("/proc/self/task/{leader}/stat");
            while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")) {
                std::thread::yield_now();
            }
            gone.tell();
            sleep_for_ever()
        });
        sys::exit_thread(0)
    });
    gone.await_word();
    let story = Recording::start(&sandbox).stop();
    let counted = |child: &Child| {
        let is_it = |what: &What| matches!(what, What::Process(p) if p.process.tgid == child.pid as u32);
        story.events.iter().filter(|event| is_it(&event.what)).count()
    };
    assert_eq!(counted(&zombie), 0);
    assert_eq!(counted(&headless), 1);
}
