//! `docs/endpoints.md`: the kinds of endpoints, made from their code.

use std::{env, fmt::Write, fs, path::Path};
use trenza::{EndpointError, Form, IntoEndpoint, Reactor};
use trenza_sim::Net;

const PAGE: &str = "docs/endpoints.md";
/// Set, the page is written instead of compared.
const UPDATE: &str = "TRENZA_UPDATE";

const HEAD: &str = "\
# Endpoints

<!-- Made by `TRENZA_UPDATE=1 cargo test -p trenza-tests --test tidy`: change the code instead. -->

An endpoint says where to listen or to connect. Programs take it as a string (`--listen`, `--to`), and so do
`Reactor::listen`, `connect` and their like.

```text
tcp:8080:interface=[::1]:backlog=128
│   │    ╰─ options, in any order
│   ╰─ values, in their order
╰─ kind

haproxy:tcp:8080
│       ╰─ the endpoint that it stands before, as it is
╰─ a prefix
```

- A colon within a value is written `\\:`, or the value stands in brackets: `[::1]`. `\\\\` is a backslash, `\\[` a bracket.
- What has the form `name=value` is an option; `\\=` makes a value of it. The names of options begin with a letter, so a
  path with an equals sign in it is a value.
- What is wrong is shown with a line of carets under the place, and with what would be right. The values of `password=`,
  `secret=` and `token=` are never shown.
- Kinds are known to a reactor. The facade registers those of its features; suites and programs add their own with
  `Reactor::register`, and an endpoint can be built in code too (`Endpoint::server`, `Endpoint::client`).
";

#[test]
fn the_page_of_endpoints_is_what_the_code_says() {
    let page = Net::new(1).host("here").run(|reactor| {
        trenza::register(reactor);
        page(reactor)
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join(PAGE);
    if env::var_os(UPDATE).is_some() {
        return fs::write(&path, page).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "{PAGE} is not what the code says; to write it anew:\n  {UPDATE}=1 cargo test -p trenza-tests --test tidy"
    );
}

/// What is shown to users can be used: it may fail for what is not there, never for its form.
#[test]
fn every_example_follows_the_grammar() {
    Net::new(1).host("here").run(|reactor| {
        trenza::register(reactor);
        for kind in reactor.kinds() {
            let usage = kind.usage();
            for (form, server) in usage
                .server
                .map(|form| (form, true))
                .into_iter()
                .chain(usage.client.map(|form| (form, false)))
            {
                assert!(!form.examples.is_empty() && !form.about.is_empty(), "{}", usage.name);
                for example in form.examples {
                    let endpoint = example.into_endpoint().expect("it can be taken apart");
                    assert_eq!(endpoint.parsed().expect("a string").kind(), usage.name);
                    let error = match server {
                        true => endpoint.listening(reactor).err(),
                        false => endpoint.connecting(reactor).err(),
                    };
                    // What is not there, as descriptors in the simulator and files, is no fault of the string.
                    let wrong = error.and_then(|error| error.downcast::<EndpointError>().ok());
                    let wrong = wrong.filter(|error| error.cause.is_none()).map(|error| error.to_string());
                    assert_eq!(wrong, None, "{example}");
                }
            }
        }
    });
}

fn page(reactor: &Reactor) -> String {
    let mut page = HEAD.to_owned();
    let usages: Vec<_> = reactor.kinds().iter().map(|kind| kind.usage()).collect();
    let all = [
        ("Servers", usages.iter().filter_map(|usage| Some((usage.name, usage.server?))).collect::<Vec<_>>()),
        ("Clients", usages.iter().filter_map(|usage| Some((usage.name, usage.client?))).collect()),
    ];
    for (title, forms) in all {
        writeln!(page, "\n## {title}\n\n| form | what it is | example |\n|---|---|---|")
            .expect("text takes text");
        for (name, form) in &forms {
            let examples: Vec<_> =
                form.examples.iter().map(|example| format!("`{}`", cell(example))).collect();
            writeln!(page, "| `{}` | {} | {} |", form.of(name), cell(form.about), examples.join("<br>"))
                .expect("it is well");
        }
        writeln!(page, "\n| option of | | |\n|---|---|---|").expect("text takes text");
        forms.iter().for_each(|(name, form)| options(&mut page, name, form));
    }
    page
}

fn options(page: &mut String, name: &str, form: &Form) {
    for option in form.options {
        let shape = format!("{}={}", option.name, option.value);
        writeln!(page, "| `{name}` | `{}` | {} |", cell(&shape), cell(option.about))
            .expect("text takes text");
    }
    if let Some(below) = form.below {
        writeln!(page, "| `{name}` | | those of `{below}` |").expect("text takes text");
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
