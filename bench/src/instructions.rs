//! [`Instructions`]: how many instructions and allocations the hot paths take, and took before.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// What is measured: those of `ours path`.
const PATHS: [&str; 6] = ["echo", "coroutine", "http", "pipeline", "chat", "timers"];
/// A path is gone so often, and twice as often; the difference is that of the path alone.
const TIMES: u64 = 2000;
/// How much more than before is too much: of instructions as a part, of allocations as a number.
const RISE: f64 = 0.05;
const MORE: f64 = 0.05;
/// Where the counts of before are.
const FILE: &str = "instructions.txt";
/// Set, they are written.
const UPDATE: &str = "TRENZA_UPDATE";

/// What each path takes for each time, by its name.
#[derive(Debug, PartialEq)]
pub(crate) struct Instructions(BTreeMap<String, Cost>);

/// What a path takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Cost {
    instructions: f64,
    allocations: f64,
}

impl Instructions {
    /// Counts those of the program, under valgrind.
    ///
    /// # Errors
    /// There is no valgrind, or the program fails.
    pub(crate) fn count(program: &Path) -> io::Result<Self> {
        let each = |path: &str| {
            let each = |tool: &Tool| {
                let (once, twice) = (tool.run(program, path, TIMES)?, tool.run(program, path, 2 * TIMES)?);
                Ok::<_, io::Error>((twice - once) / TIMES as f64)
            };
            Ok((
                path.to_owned(),
                Cost { instructions: each(&CACHEGRIND)?.round(), allocations: each(&MEMCHECK)? },
            ))
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
        writeln!(out, "\n### instructions and allocations\n")?;
        writeln!(out, "| path | now | before | now / before | allocations now | before |")?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|")?;
        for (path, now) in &self.0 {
            let then = before.0.get(path).copied().unwrap_or_default();
            let (count, former) = (now.instructions, then.instructions);
            let ratio = count / former;
            let (allocations, formerly) = (now.allocations, then.allocations);
            writeln!(out, "| {path} | {count} | {former} | {ratio:.3} | {allocations:.2} | {formerly:.2} |")?;
        }
        let risen = self.risen(&before);
        if !risen.is_empty() {
            writeln!(
                out,
                "\nrisen by more than {:.0} % or {MORE} allocations: {}",
                RISE * 100.0,
                risen.join(", ")
            )?;
            writeln!(out, "if it has to be so: {UPDATE}=1 and this once more")?;
        }
        Ok(risen.len())
    }

    /// The paths that take too much now, or were not known before.
    fn risen(&self, before: &Self) -> Vec<&str> {
        let rises = |(path, now): &(&String, &Cost)| {
            let then = before.0.get(*path).copied().unwrap_or_default();
            now.instructions > then.instructions * (1.0 + RISE) || now.allocations > then.allocations + MORE
        };
        self.0.iter().filter(rises).map(|(path, _)| &**path).collect()
    }

    fn parse(text: &str) -> io::Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let mut words = line.split(' ');
            let path = words.next()?.to_owned();
            let mut number = || words.next()?.parse().ok();
            Some((path, Cost { instructions: number()?, allocations: number()? }))
        };
        let all: Option<BTreeMap<String, Cost>> = lines.map(pair).collect();
        all.map(Self).ok_or_else(|| io::Error::other(format!("{FILE} has a line that is none")))
    }
}

impl std::fmt::Display for Instructions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "# Instructions and allocations of a hot path, gone once, over a driver that makes no system calls."
        )?;
        writeln!(f, "# {UPDATE}=1 cargo run --release -p trenza-bench -- instructions")?;
        let line = |(path, cost): (&String, &Cost)| {
            writeln!(f, "{path} {} {:.2}", cost.instructions, cost.allocations)
        };
        self.0.iter().try_for_each(line)
    }
}

/// What counts something of a whole program, and what it says before the number.
struct Tool {
    arguments: &'static [&'static str],
    says: &'static str,
}

/// Instructions.
const CACHEGRIND: Tool = Tool {
    arguments: &["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"],
    says: "refs:",
};
/// Allocations.
const MEMCHECK: Tool = Tool {
    arguments: &["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"],
    says: "total heap usage:",
};

impl Tool {
    fn run(&self, program: &Path, path: &str, times: u64) -> io::Result<f64> {
        let mut command = Command::new("valgrind");
        command.args(self.arguments).arg(program).args(["path", path, &times.to_string()]);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let number = |line: &str| {
            let word = line.split_once(self.says)?.1.split_whitespace().next()?;
            word.replace(',', "").parse().ok()
        };
        let count = text.lines().find_map(number);
        count
            .filter(|_| output.status.success())
            .ok_or_else(|| io::Error::other(format!("{command:?}: {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_is_found() {
        let before = Instructions::parse("# as before\na 100 0.00\nb 100 0.00\nd 100 1.00\n").unwrap();
        let now = Instructions::parse("a 105 0.04\nb 106 0.00\nc 1 0.00\nd 90 2.00\n").unwrap();
        assert_eq!(now.risen(&before), ["b", "c", "d"]);
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let cost = Cost { instructions: 1234.0, allocations: 2.5 };
        let counts = Instructions(BTreeMap::from([("echo".to_owned(), cost)]));
        assert_eq!(Instructions::parse(&counts.to_string()).unwrap(), counts);
        assert!(Instructions::parse("echo 1\n").is_err());
    }
}
