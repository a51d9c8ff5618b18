//! [`Programs`]: where the servers are, which are built first.

use crate::recipe::{Program, Recipe};
use std::{
    collections::BTreeSet,
    env, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What has the load.
const LOAD: Program = Program::Peer("peer-raw", "load");

/// The programs that take part.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Where cargo built this program, and builds the others.
    target: PathBuf,
    /// Instead of the `trenza` built here.
    trenza: Option<PathBuf>,
}

impl Programs {
    /// Builds what these need, as far as it is not there, and the load for echoes if it `is_asked`.
    ///
    /// # Errors
    /// This is no release build, or one of them cannot be built.
    pub(crate) fn build(recipes: &[&Recipe], is_asked: bool, trenza: Option<PathBuf>) -> io::Result<Self> {
        let program = env::current_exe()?;
        let target = program.parent().filter(|folder| folder.ends_with("release")).and_then(Path::parent);
        let target = target.ok_or_else(|| io::Error::other("to measure, run it with --release"))?.to_owned();
        let programs = Self { target, trenza };
        let needed = recipes.iter().map(|recipe| &recipe.program);
        let mut packages: BTreeSet<(PathBuf, &str)> = BTreeSet::new();
        for program in needed.chain(is_asked.then_some(&LOAD)) {
            let package = match program {
                Program::Ours(_) => "trenza-bench",
                Program::Trenza(_) if programs.trenza.is_none() => "trenza-cli",
                Program::Peer(package, _) => package,
                _ => continue,
            };
            let peer = matches!(program, Program::Peer(..));
            packages.insert((
                Path::new(env!("CARGO_MANIFEST_DIR")).join(if peer { "peers" } else { "" }),
                package,
            ));
        }
        for (folder, package) in packages {
            let target = if folder.ends_with("peers") { programs.peers() } else { programs.target.clone() };
            let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            command.args(["build", "--release", "--locked", "--quiet", "--bins", "--package", package]);
            if !command.arg("--target-dir").arg(target).current_dir(folder).status()?.success() {
                return Err(io::Error::other(format!("{command:?} failed")));
            }
        }
        Ok(programs)
    }

    /// Where the program is that is started.
    pub(crate) fn path(&self, program: &Program) -> PathBuf {
        match program {
            Program::Ours(_) => self.target.join("release/ours"),
            Program::Trenza(_) => self.trenza.clone().unwrap_or_else(|| self.target.join("release/trenza")),
            Program::Peer(_, name) => self.peers().join("release").join(name),
            Program::Nginx => "nginx".into(),
            Program::Other(path) => path.into(),
        }
    }

    /// The load for echo servers.
    pub(crate) fn load(&self) -> PathBuf {
        self.path(&LOAD)
    }

    fn peers(&self) -> PathBuf {
        self.target.join("peers")
    }
}
