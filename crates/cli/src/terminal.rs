//! The host's terminal while a guest edits its lines itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// How the terminal was, while it is otherwise.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

fn before() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, the terminal at standard input hands on each key at once and shows none. Its signals stay.
pub struct KeyByKey;

impl KeyByKey {
    /// Begins, if there is a terminal.
    pub fn begin() -> Self {
        if let Ok(own) = tcgetattr(stdin()) {
            let mut keys = own.clone();
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            keys.special_codes[SpecialCodeIndex::VMIN] = 1;
            keys.special_codes[SpecialCodeIndex::VTIME] = 0;
            *before() = tcsetattr(stdin(), OptionalActions::Now, &keys).is_ok().then_some(own);
        }
        KeyByKey
    }
}

impl Drop for KeyByKey {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was, for who leaves without dropping anything.
pub fn restore() {
    if let Some(own) = before().take() {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &own);
    }
}
