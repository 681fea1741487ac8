//! Questions that come up while hook listens. They have a thread of their own: a person may take their time.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::activity::{Activity, Trouble};
use crate::engine::Engine;
use crate::fetch::Agreed;
use crate::ui::Ui;

/// Asks whether what events need may be fetched; where nobody can be asked, it says how to agree.
pub fn ask(engine: &Arc<Engine>, ui: Arc<Ui>, somebody_reads: bool) {
    let Some(mut questions) = engine.questions() else { return };
    let (runtime, engine) = (Handle::current(), Arc::downgrade(engine));
    std::thread::spawn(move || {
        while let Some(errand) = questions.blocking_recv() {
            let answer =
                somebody_reads.then(|| ui.ask_between_lines(&format!("hook: {}", errand.wish().question()))).flatten();
            let Some(engine) = engine.upgrade() else { return };
            match answer {
                Some(true) => {
                    if let Err(failure) = Agreed::remember(errand.purpose, errand.wish().subject()) {
                        let next = failure.next.first().cloned();
                        let trouble = Trouble { code: failure.code, message: failure.what, next, fatal: false };
                        engine.emit(Activity::Trouble(trouble));
                    }
                    runtime.spawn(async move { engine.agreed(&errand).await });
                }
                Some(false) => {}
                None => engine.not_agreed(&errand),
            }
        }
    });
}
