//! [`Bars`]: progress on a terminal, and one line when all is done.

use crate::terminal::say;
use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{cell::RefCell, collections::BTreeMap, io::IsTerminal, rc::Rc, time::Duration};
use trenza::{
    Reactor,
    ftp::{Outcome, Progress},
};

const TOTAL: &str = "{bytes:>11} of {total_bytes:<11} {bytes_per_sec:>13} {eta:>4} [{wide_bar}] {msg}";
const FILE: &str = "{bytes:>11} of {total_bytes:<11} {bytes_per_sec:>13} {eta:>4}  {wide_msg}";

/// Bars on standard error, if that is a terminal. A cheap clone.
#[derive(Clone)]
pub(super) struct Bars(Rc<State>);

struct State {
    all: MultiProgress,
    total: ProgressBar,
    files: RefCell<BTreeMap<String, ProgressBar>>,
    quiet: bool,
}

impl Bars {
    pub(super) fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let total = all.add(ProgressBar::new(0).with_style(style(TOTAL)));
        Self(Rc::new(State { all, total, files: RefCell::default(), quiet }))
    }

    /// What a mirror tells.
    pub(super) fn tell(&self, progress: &Progress<'_>) {
        let state = &*self.0;
        match progress {
            Progress::Found { bytes, .. } => state.total.inc_length(*bytes),
            Progress::Began { path, size, at } => {
                let bar =
                    ProgressBar::new(size.unwrap_or(0)).with_style(style(FILE)).with_message(plain(path));
                let bar = state.all.add(bar);
                if *at > 0 {
                    // What was there before says nothing of how fast the rest comes.
                    bar.set_position(*at);
                    bar.reset_eta();
                    state.total.inc(*at);
                    state.total.reset_eta();
                }
                state.files.borrow_mut().insert((*path).to_owned(), bar);
            }
            Progress::Moved { path, bytes } => {
                state.total.inc(*bytes);
                if let Some(bar) = state.files.borrow().get(*path) {
                    bar.inc(*bytes);
                }
            }
            Progress::Finished { path } => self.remove(path),
            Progress::Failed { path, error } => {
                self.remove(path);
                self.line(&format!("failed: {error}"));
            }
            _ => {}
        }
    }

    fn remove(&self, path: &str) {
        if let Some(bar) = self.0.files.borrow_mut().remove(path) {
            self.0.all.remove(&bar);
        }
    }

    /// A line above the bars.
    pub(super) fn line(&self, line: &str) {
        self.0.all.suspend(|| say(&plain(line)));
    }

    /// Takes the bars away.
    pub(super) fn clear(&self) {
        self.0.files.borrow_mut().clear();
        self.0.total.finish_and_clear();
        // A terminal that is gone shows nothing anyway.
        let _ = self.0.all.clear();
    }

    /// Says what was done.
    pub(super) fn sum_up(&self, outcome: &Outcome, took: Duration) {
        self.clear();
        if self.0.quiet {
            return;
        }
        let files = if outcome.files == 1 { "file" } else { "files" };
        let mut line = format!("{} {files} copied, {}", outcome.files, HumanBytes(outcome.bytes));
        for (count, what) in [
            (outcome.current, "up to date"),
            (outcome.removed, "removed"),
            (outcome.skipped, "links and the like passed over"),
            (outcome.failed, "failed"),
        ] {
            if count > 0 {
                line += &format!("; {count} {what}");
            }
        }
        say(&format!("{line}; in {}", HumanDuration(took)));
    }
}

/// How long something takes, by the reactor's clock.
pub(super) fn stopwatch() -> impl Fn() -> Duration {
    let reactor = Reactor::current();
    let began = reactor.now();
    move || reactor.now().duration_since(began)
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// Without what a terminal would take for its own: names come from servers.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
