//! [`Instructions`]: how many instructions the hot paths take, and took before.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// What is measured: those of `ours path`.
const PATHS: [&str; 5] = ["echo", "coroutine", "http", "chat", "timers"];
/// A path is gone so often, and twice as often; the difference is that of the path alone.
const TIMES: u64 = 2000;
/// How much more than before is too much.
const RISE: f64 = 0.05;
/// Where the counts of before are.
const FILE: &str = "instructions.txt";
/// Set, they are written.
const UPDATE: &str = "TRENZA_UPDATE";

/// Instructions for each time, by path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Instructions(BTreeMap<String, u64>);

impl Instructions {
    /// Counts those of the program, under valgrind.
    ///
    /// # Errors
    /// There is no valgrind, or the program fails.
    pub(crate) fn count(program: &Path) -> io::Result<Self> {
        let each = |path: &str| {
            let (once, twice) = (run(program, path, TIMES)?, run(program, path, 2 * TIMES)?);
            Ok((path.to_owned(), twice.saturating_sub(once) / TIMES))
        };
        PATHS.iter().map(|path| each(path)).collect::<io::Result<_>>().map(Self)
    }

    /// Prints them beside those of before, or puts them in their place when `TRENZA_UPDATE` is set; gives how many have
    /// risen too much.
    ///
    /// # Errors
    /// They cannot be read, written or printed.
    pub(crate) fn compare(&self, out: &mut impl Write) -> io::Result<usize> {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FILE);
        if env::var_os(UPDATE).is_some() {
            fs::write(&file, self.to_string())?;
        }
        let before = Self::parse(&fs::read_to_string(&file)?)?;
        writeln!(out, "\n### instructions\n\n| path | now | before | now / before |\n|---|---:|---:|---:|")?;
        for (path, now) in &self.0 {
            let then = before.0.get(path).copied().unwrap_or_default();
            writeln!(out, "| {path} | {now} | {then} | {:.3} |", *now as f64 / then as f64)?;
        }
        let risen = self.risen(&before);
        if !risen.is_empty() {
            writeln!(out, "\nrisen by more than {:.0} %: {}", RISE * 100.0, risen.join(", "))?;
            writeln!(out, "if it has to be so: {UPDATE}=1 and this once more")?;
        }
        Ok(risen.len())
    }

    /// The paths that take too much now, or were not known before.
    fn risen(&self, before: &Self) -> Vec<&str> {
        let known = |path: &str| before.0.get(path).map_or(0.0, |then| *then as f64 * (1.0 + RISE));
        self.0.iter().filter(|(path, now)| **now as f64 > known(path)).map(|(path, _)| &**path).collect()
    }

    fn parse(text: &str) -> io::Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (path, count) = line.split_once(' ')?;
            Some((path.to_owned(), count.trim().parse().ok()?))
        };
        let all: Option<BTreeMap<String, u64>> = lines.map(pair).collect();
        all.map(Self).ok_or_else(|| io::Error::other(format!("{FILE} has a line that is none")))
    }
}

impl std::fmt::Display for Instructions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "# Instructions of a hot path, gone once, over a driver that makes no system calls.")?;
        writeln!(f, "# {UPDATE}=1 cargo run --release -p trenza-bench -- instructions")?;
        self.0.iter().try_for_each(|(path, count)| writeln!(f, "{path} {count}"))
    }
}

/// Instructions of the whole program.
fn run(program: &Path, path: &str, times: u64) -> io::Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    let output = command.arg(program).args(["path", path, &times.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let count =
        text.lines().find_map(|line| line.split_once("refs:")?.1.trim().replace(',', "").parse().ok());
    count.filter(|_| output.status.success()).ok_or_else(|| io::Error::other(format!("{command:?}: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_is_found() {
        let before = Instructions::parse("# as before\na 100\nb 100\n").unwrap();
        let now = Instructions::parse("a 105\nb 106\nc 1\n").unwrap();
        assert_eq!(now.risen(&before), ["b", "c"]);
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let counts = Instructions(BTreeMap::from([("echo".to_owned(), 1234)]));
        assert_eq!(Instructions::parse(&counts.to_string()).unwrap(), counts);
        assert!(Instructions::parse("echo\n").is_err());
    }
}
