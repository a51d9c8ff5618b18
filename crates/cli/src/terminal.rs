//! What the program says on standard error, with colours only where somebody sees them.

use std::{
    env,
    io::{IsTerminal, Write, stderr, stdout},
};

/// What a text is, which decides its colour.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// Something went wrong.
    Error,
    /// What to do about it.
    Hint,
    /// An address to click on.
    Link,
}

/// Whether standard error may be coloured: it is a terminal that can, and the user did not say `NO_COLOR`.
pub(crate) fn colours() -> bool {
    stderr().is_terminal() && may_colour()
}

fn may_colour() -> bool {
    let unset = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
    unset("NO_COLOR") && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// The text in the colours of its style, or as it is.
pub(crate) fn paint(style: Style, text: &str) -> String {
    painted(style, text, colours())
}

/// The same for standard output.
pub(crate) fn paint_out(style: Style, text: &str) -> String {
    painted(style, text, stdout().is_terminal() && may_colour())
}

fn painted(style: Style, text: &str, colours: bool) -> String {
    let code = match style {
        Style::Error => "1;31",
        Style::Hint => "1;36",
        Style::Link => "4;34",
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Tells of what is not as it should be, but keeps nothing from being done.
pub(crate) fn warn(what: &str) {
    say(&format!("{} {what}", paint(Style::Hint, "warning:")));
}

/// Prints a line on standard error. Where that is gone there is nobody to tell, which is no reason to end.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
