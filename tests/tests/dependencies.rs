//! Who may depend on whom (invariant 7), and what may not be linked at all (the bans of `deny.toml`).

use serde_json::{Value, json};
use std::{collections::BTreeSet, env, process::Command};

/// What a protocol suite may build on, in its code.
const SUITE: &[&str] = &["wire", "core", "tls", "auth", "storage", "dns", "db"];

/// What it may use besides in its tests. An example in its documentation runs on the simulator or the facade.
const SUITE_TESTS: &[&str] = &["sim", "sys", "facade"];

/// The crates below and above the suites, each with the crates that its code may depend on. All others are suites.
const FLOORS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("macros", &[]),
    ("core", &["wire"]),
    ("sys", &["wire", "core"]),
    ("storage", &["wire", "core"]),
    ("dns", &["wire", "core"]),
    ("sim", &["wire", "core", "storage"]),
];

/// These may know everything: the program, the facade whose features are the suites, tests and benches.
const ROOFS: &[&str] = &["cli", "facade", "tests", "bench"];

/// Crates that may not be linked; `deny.toml` has the reasons and also looks at other platforms than this one.
const BANNED: &[&str] = &[
    "mio",
    "async-io",
    "async-std",
    "tokio-rustls",
    "hyper-rustls",
    "reqwest",
    "ring",
    "openssl-sys",
    "native-tls",
];

/// Tokio may bring its traits, not its runtime.
const BANNED_TOKIO: &[&str] = &["rt", "rt-multi-thread", "net", "fs", "process", "signal", "full"];

#[test]
fn crates_depend_only_on_the_floors_below() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--filter-platform", &host()]))
            .expect("cargo metadata prints JSON");
    let members = members(&metadata);
    assert!(members.len() > 5, "the members of the workspace were not found");
    let wrong = breaches(&members);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_banned_is_linked() {
    let linked = cargo(&[
        "tree",
        "--workspace",
        "--exclude=trenza-tests",
        "--exclude=trenza-bench",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p}|{f}",
    ]);
    assert!(linked.contains("\nbytes v"), "the tree of dependencies was not found:\n{linked}");
    let wrong = banned(&linked);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_bans_of_deny_toml_are_the_same() {
    let deny = include_str!("../../deny.toml");
    let named: BTreeSet<&str> =
        deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next()).collect();
    assert_eq!(named, BANNED.iter().copied().collect());
    let quoted: Vec<String> = BANNED_TOKIO.iter().map(|feature| format!("\"{feature}\"")).collect();
    assert!(deny.contains(&format!("crate = \"tokio\"\ndeny = [{}]", quoted.join(", "))));
}

#[test]
fn a_wrong_dependency_is_found() {
    for (name, kind, to) in [
        ("trenza-wire", "normal", "trenza-core"),
        ("trenza-wire", "dev", "trenza-core"),
        ("trenza-core", "normal", "trenza-sys"),
        ("trenza-core", "normal", "trenza-sim"),
        ("trenza-web", "normal", "trenza-sys"),
        ("trenza-web", "build", "trenza-sim"),
        ("trenza-web", "normal", "trenza"),
        ("trenza-mail", "normal", "trenza-web"),
        ("trenza-mail", "dev", "trenza-web"),
        ("trenza-sys", "normal", "trenza-sim"),
        ("trenza-dns", "normal", "trenza-tls"),
    ] {
        let members = [Member { name: name.into(), needs: vec![(kind.into(), to.into())] }];
        assert_eq!(breaches(&members).len(), 1, "{name} may not have {to} as a {kind} dependency");
    }
}

#[test]
fn a_right_dependency_is_let_through() {
    for (name, kind, to) in [
        ("trenza-web", "normal", "trenza-tls"),
        ("trenza-mail", "normal", "trenza-dns"),
        ("trenza-web", "dev", "trenza-sim"),
        ("trenza-core", "dev", "trenza-sim"),
        ("trenza", "normal", "trenza-web"),
        ("trenza-cli", "normal", "trenza-mail"),
    ] {
        let members = [Member { name: name.into(), needs: vec![(kind.into(), to.into())] }];
        assert_eq!(breaches(&members), [""; 0]);
    }
}

#[test]
fn metadata_is_read_right() {
    let metadata = json!({
        "workspace_members": ["path+file:///w#a"],
        "packages": [
            { "id": "path+file:///w#a", "name": "trenza-web", "dependencies": [
                { "name": "trenza-core", "kind": null },
                { "name": "trenza-sim", "kind": "dev" },
                { "name": "bytes", "kind": null } ] },
            { "id": "registry#b", "name": "bytes", "dependencies": [] } ]
    });
    let members = members(&metadata);
    let needs = [("normal", "trenza-core"), ("dev", "trenza-sim")].map(|(kind, to)| (kind.into(), to.into()));
    assert_eq!(members, [Member { name: "trenza-web".into(), needs: needs.into() }]);
}

#[test]
fn a_ban_is_found() {
    assert_eq!(banned("bytes v1.2.3|default,std\ntokio v1.54.1|bytes,io-util,sync\n"), [""; 0]);
    for linked in ["mio v1.0.0|net", "ring v0.17.0|", "tokio v1.54.1|io-util,rt", "tokio v1.0.0|full (*)"] {
        assert_eq!(banned(&format!("bytes v1.2.3|std\n{linked}\n")).len(), 1, "{linked}");
    }
}

/// A package of the workspace and what it depends on within it.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    name: String,
    /// Kind (`normal`, `dev`, `build`) and name.
    needs: Vec<(String, String)>,
}

fn members(metadata: &Value) -> Vec<Member> {
    let ids = metadata["workspace_members"].as_array().expect("the members' ids");
    let packages = metadata["packages"].as_array().expect("the packages");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let ours = packages.iter().filter(|package| ids.contains(&package["id"]));
    ours.map(|package| {
        let needs = package["dependencies"].as_array().expect("the dependencies").iter();
        let needs =
            needs.map(|need| (need["kind"].as_str().unwrap_or("normal").to_owned(), text(&need["name"])));
        let needs = needs.filter(|(_, name)| floor(name).is_some()).collect();
        Member { name: text(&package["name"]), needs }
    })
    .collect()
}

/// `core` for `trenza-core`, `facade` for `trenza` itself, `None` for a crate that is not of this workspace.
fn floor(package: &str) -> Option<&str> {
    if package == "trenza" { Some("facade") } else { package.strip_prefix("trenza-") }
}

fn breaches(members: &[Member]) -> Vec<String> {
    let mut wrong = Vec::new();
    for member in members {
        let name = floor(&member.name).unwrap_or(&member.name);
        let listed = FLOORS.iter().find(|(floor, _)| *floor == name).map(|(_, below)| *below);
        for (kind, to) in &member.needs {
            let to = floor(to).unwrap_or(to);
            let in_code = listed.unwrap_or(SUITE).contains(&to);
            let in_tests = kind == "dev" && name != "wire" && SUITE_TESTS.contains(&to);
            if !ROOFS.contains(&name) && !in_code && !in_tests {
                wrong.push(format!("{name} must not depend on {to} ({kind}): invariant 7"));
            }
        }
    }
    wrong
}

/// What is banned among lines of `name vVERSION|feature,feature`.
fn banned(linked: &str) -> Vec<String> {
    let mut wrong = BTreeSet::new();
    for line in linked.lines() {
        let (package, features) = line.trim_end_matches(" (*)").split_once('|').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or(package);
        if BANNED.contains(&name) {
            wrong.insert(format!("{name} is banned: deny.toml says why"));
        }
        for feature in features.split(',').filter(|feature| name == "tokio" && BANNED_TOKIO.contains(feature))
        {
            wrong.insert(format!("tokio's feature {feature} is banned: its runtime must not be linked"));
        }
    }
    wrong.into_iter().collect()
}

/// The platform that this is, since what other platforms need may not have been downloaded.
fn host() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc -vV runs");
    let text = String::from_utf8(output.stdout).expect("rustc -vV prints UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc -vV names the host").to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).args(["--locked", "--offline"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{command:?} failed; `cargo fetch --locked` downloads what it needs:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
