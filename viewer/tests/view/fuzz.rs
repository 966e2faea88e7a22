//! Random keys, clicks, sizes and damaged recordings: nothing panics, and nothing dangerous is drawn.

use std::{path::Path, sync::Arc};

use lastrites::{
    explain::pick,
    safe,
    view::{
        action,
        app::{App, Effect, Mode},
        compared::Compared,
        listing::{Entry, Spot},
        load,
        model::Model,
    },
};
use lastrites_traces::reader::Trace;
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::{dark, model, picture, sample};

/// xorshift: the same run every time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

fn event(dice: &mut Dice) -> Event {
    match dice.throw(12) {
        0 => Event::Resize(1 + dice.throw(300) as u16, 1 + dice.throw(100) as u16),
        1 => {
            let kinds = [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::Drag(MouseButton::Left),
                MouseEventKind::Up(MouseButton::Left),
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollDown,
            ];
            Event::Mouse(MouseEvent {
                kind: kinds[dice.throw(kinds.len())],
                column: dice.throw(310) as u16,
                row: dice.throw(110) as u16,
                modifiers: KeyModifiers::NONE,
            })
        }
        2 => Event::Key(KeyEvent::new(
            KeyCode::Char(char::from(b' ' + dice.throw(95) as u8)),
            KeyModifiers::NONE,
        )),
        _ => {
            let all: Vec<_> = action::all().collect();
            let binding = all[dice.throw(all.len())];
            let key = &binding.keys[dice.throw(binding.keys.len())];
            let modifiers = if key.control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            Event::Key(KeyEvent::new(key.code, modifiers))
        }
    }
}

fn play(dice: &mut Dice, model: Arc<Model>, events: usize) {
    let mut app = App::new(dark(), (100, 30));
    app.loaded(Arc::clone(&model));
    // Of two files, one of them a ring.
    let entry = |number| Entry { spot: Spot { file: number % 2, number }, ..Entry::default() };
    for file in 0..2 {
        let entries = (1..9).rev().map(entry).filter(|entry| entry.spot.file == file).collect();
        app.listed(Path::new(["a.lrt", "b.lrt"][file]), entries, file == 1);
    }
    for _ in 0..events {
        match app.event(&event(dice)) {
            // As the loop does it.
            Some(Effect::Compare { .. }) => {
                if let Ok(compared) = Compared::new(Arc::clone(&model), Arc::clone(&model)) {
                    (app.compared, app.mode) = (Some(Arc::new(compared)), Mode::Compare { top: 0 });
                }
            }
            Some(Effect::Rest | Effect::Open(_)) => app.loaded(Arc::clone(&model)),
            _ => app.work(),
        }
        let buf = picture(&app);
        for cell in buf.content() {
            assert!(cell.symbol().chars().all(safe::is_plain), "{:?}", cell.symbol());
        }
    }
}

#[test]
fn random_keys_and_sizes_never_panic() {
    let mut dice = Dice(0x1a57_817e5);
    for name in ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"] {
        play(&mut dice, model(name), 250);
    }
}

#[test]
fn damaged_recordings_never_panic() {
    let mut dice = Dice(0xdead_beef);
    let whole = std::fs::read(sample("runit-respawn")).expect("a sample");
    let mut read = 0;
    for _ in 0..25 {
        let mut bytes = whole.clone();
        for _ in 0..1 + dice.throw(20) {
            let at = dice.throw(bytes.len());
            bytes[at] = dice.throw(256) as u8;
        }
        if dice.throw(3) == 0 {
            bytes.truncate(dice.throw(bytes.len()));
        }
        let path = Path::new("damaged");
        let Ok(trace) = Trace::from_bytes(path, bytes) else { continue };
        let Ok(picked) = pick::pick(&trace, path, None) else { continue };
        read += 1;
        play(&mut dice, Arc::new(load::model(&trace, picked)), 20);
    }
    assert!(read > 5, "most damage leaves something to read: {read}");
}
