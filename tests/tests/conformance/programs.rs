//! Programs that cases start: each as a shell script for real systems, and as a coroutine for the simulator, which do
//! the same.

use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{Command, ExitStatus, Result, Signal};
use trenza_sim::{Fake, HostHandle};

/// What a program does on a real system.
const SCRIPTS: [(&str, &str); 11] = [
    ("cat", "exec cat"),
    ("count", "exec wc -c"),
    ("say", r#"printf %s "$1"; printf %s "$2" >&2; exit "$3""#),
    ("mute", "printf before; exec >&-; cat >/dev/null; exit 5"),
    ("deaf", "exec <&-; printf deaf; exec sleep 1000"),
    ("sleep", "exec sleep 1000"),
    ("catch", "trap 'printf caught; exit 3' TERM; printf ready; while :; do sleep 0.02; done"),
    ("stubborn", "trap '' TERM; printf ready; while :; do sleep 0.02; done"),
    ("many", "cat <&5 >&3; printf four >&4"),
    ("talk", "cat <&3 >&3; exit 7"),
    (
        "terminal",
        "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] || exit 1; stty size; read line; printf 'got %s' \"$line\"",
    ),
];

/// The program of that name on a real system.
pub(crate) fn script(name: &str) -> Command {
    let script = SCRIPTS.iter().find(|(known, _)| *known == name).map(|(_, script)| *script);
    Command::new("sh").arg("-c").arg(script.unwrap_or_else(|| panic!("no script {name}"))).arg(name)
}

/// Makes all programs known to a simulated host.
pub(crate) fn install(host: &HostHandle) {
    host.program("cat", async |mut fake| copy(&mut fake, 0, 1).await);
    host.program("count", async |mut fake| {
        let count = fake.read_all(0).await?.len();
        fake.write(1, count.to_string().as_bytes()).await?;
        Ok(ExitStatus::Code(0))
    });
    host.program("say", async |mut fake| {
        let arguments = fake.arguments();
        fake.write(1, arguments[0].as_bytes()).await?;
        fake.write(2, arguments[1].as_bytes()).await?;
        Ok(ExitStatus::Code(arguments[2].parse()?))
    });
    host.program("mute", async |mut fake| {
        fake.write(1, b"before").await?;
        fake.close(1);
        fake.read_all(0).await?;
        Ok(ExitStatus::Code(5))
    });
    host.program("deaf", async |mut fake| {
        fake.close(0);
        fake.write(1, b"deaf").await?;
        forever(&fake).await
    });
    host.program("sleep", async |fake| forever(&fake).await);
    host.program("catch", async |mut fake| {
        let signals = fake.catch(Signal::Terminate);
        fake.write(1, b"ready").await?;
        signals.next().await;
        fake.write(1, b"caught").await?;
        Ok(ExitStatus::Code(3))
    });
    host.program("stubborn", async |mut fake| {
        fake.catch(Signal::Terminate);
        fake.write(1, b"ready").await?;
        forever(&fake).await
    });
    host.program("many", async |mut fake| {
        copy(&mut fake, 5, 3).await?;
        fake.write(4, b"four").await?;
        Ok(ExitStatus::Code(0))
    });
    host.program("talk", async |mut fake| {
        copy(&mut fake, 3, 3).await?;
        Ok(ExitStatus::Code(7))
    });
    host.program("terminal", async |mut fake| {
        let window = fake.how().terminal.ok_or("not a terminal")?;
        fake.write(1, format!("{} {}\r\n", window.rows, window.columns).as_bytes()).await?;
        let line = fake.line(0).await?.unwrap_or_default();
        fake.write(1, &[b"got ", &line[..]].concat()).await?;
        Ok(ExitStatus::Code(0))
    });
    install_tools(host);
}

/// What every system has.
fn install_tools(host: &HostHandle) {
    host.program("echo", async |mut fake| {
        let line = format!("{}\n", fake.arguments().join(" "));
        fake.write(1, line.as_bytes()).await?;
        Ok(ExitStatus::Code(0))
    });
    host.program("false", async |_| Ok(ExitStatus::Code(1)));
    host.program("env", async |mut fake| {
        let how = fake.how();
        assert!(how.clear, "what a simulated machine has in its environment is nobody's business");
        let pairs = how.environment.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let text: String =
            pairs.map(|(name, value)| format!("{}={}\n", name.display(), value.display())).collect();
        fake.write(1, text.as_bytes()).await?;
        Ok(ExitStatus::Code(0))
    });
    host.program("pwd", async |mut fake| {
        let directory = fake.how().directory.clone().unwrap_or_default();
        fake.write(1, format!("{}\n", directory.display()).as_bytes()).await?;
        Ok(ExitStatus::Code(0))
    });
}

async fn copy(fake: &mut Fake, from: u32, to: u32) -> Result<ExitStatus> {
    while let Some(bytes) = fake.read(from).await? {
        fake.write(to, &bytes).await?;
    }
    Ok(ExitStatus::Code(0))
}

async fn forever(fake: &Fake) -> Result<ExitStatus> {
    fake.reactor().sleep(Duration::from_secs(1000)).await;
    Ok(ExitStatus::Code(0))
}

/// Counts what lives.
#[derive(Clone, Default)]
pub(crate) struct Census(Rc<Cell<usize>>);

impl Census {
    pub(crate) fn come(&self) {
        self.0.set(self.0.get() + 1);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }
}
