//! [`Aliases`]: what other names stand for, as aliases(5) has them.

use crate::smtp::Mailbox;
use std::{collections::BTreeMap, path::Path};

/// The longest line in bytes, with those that continue it.
pub const LINE_MAX: usize = 1 << 20;
/// The most that one alias may stand for, lists that it includes counted.
pub const TARGETS_MAX: usize = 10_000;

/// What an alias stands for, or one thing of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Another name of this server, in lower case, which may be an alias too.
    Name(String),
    /// An account, also if there is an alias of its name: `\ann`.
    Account(String),
    /// An address, here or elsewhere.
    Address(Mailbox),
    /// A Maildir in the tree.
    Maildir(trenza_storage::Path),
    /// Nobody: `/dev/null`.
    Nobody,
}

/// What is wrong in a file of aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there, and what would be right.
    pub what: String,
}

/// Aliases: names, or addresses, and what they stand for.
///
/// ```text
/// # name: what it stands for, with commas between
/// postmaster: ann
/// sales: ann, bob@example.org,
///     carl@example.com
/// ann: \ann, ann@mobile.example     # her own mailbox, and elsewhere
/// staff@example.org: :include:/etc/mail/staff
/// archive: /var/mail/archive/       # a Maildir, in the tree of the others
/// noreply: /dev/null
/// ```
///
/// A name is one in all domains of the server. Case does not matter. What begins with white space goes on with the line
/// before it; quotes protect commas, colons and `#`. A list that is included has addresses only, a line or a comma apart.
/// Pipes to programs are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(BTreeMap<String, Vec<Target>>);

/// Reads the text of a list, or says why it cannot.
type Include<'a> = dyn FnMut(&Path) -> Result<String, String> + 'a;

impl Aliases {
    /// Reads aliases. `maildirs` is where the tree of Maildirs lies in the system; `include` reads a list.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str, maildirs: &Path, include: &mut Include<'_>) -> Result<Self, Wrong> {
        let mut aliases = BTreeMap::new();
        for (line, entry) in entries(text)? {
            let wrong = |what: String| Wrong { line, what };
            let Some((name, values)) = split_name(&entry) else {
                return Err(wrong("a line is wanted like  name: address, address".into()));
            };
            let key = key(name).map_err(wrong)?;
            let mut targets = Vec::new();
            for value in split(values, ',') {
                targets.extend(self::targets(value, maildirs, include).map_err(wrong)?);
                if targets.len() > TARGETS_MAX {
                    return Err(wrong(format!("{name} stands for more than {TARGETS_MAX} others")));
                }
            }
            if targets.is_empty() {
                return Err(wrong(format!("{name} stands for nobody: `{name}: /dev/null` would say so")));
            }
            if aliases.insert(key, targets).is_some() {
                return Err(wrong(format!("{name} is there twice: write what it stands for in one line")));
            }
        }
        Ok(Self(aliases))
    }

    /// What a name or address in lower case stands for.
    pub fn get(&self, name: &str) -> Option<&[Target]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Lines with those that continue them, without comments, each with the number of its first.
fn entries(text: &str) -> Result<Vec<(usize, String)>, Wrong> {
    let mut entries: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = uncommented(line);
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: &str| Err(Wrong { line: number + 1, what: what.into() });
        match entries.last_mut() {
            Some((_, entry)) if line.starts_with([' ', '\t']) => {
                entry.push(' ');
                entry.push_str(line.trim());
                if entry.len() > LINE_MAX {
                    return wrong("the line is too long: `:include:` takes a list from a file");
                }
            }
            None if line.starts_with([' ', '\t']) => return wrong("it begins like the rest of another line"),
            _ => entries.push((number + 1, line.trim().to_owned())),
        }
    }
    Ok(entries)
}

/// The line up to a `#` that stands at its start or behind white space, outside of quotes.
fn uncommented(line: &str) -> &str {
    let (mut quotes, mut escaped, mut space) = (false, false, true);
    for (at, c) in line.char_indices() {
        match c {
            '#' if space && !quotes => return line.get(..at).unwrap_or_default(),
            '"' if !escaped => quotes = !quotes,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        space = c.is_whitespace();
    }
    line
}

/// The parts of a text with a separator between them, outside of quotes; those that are empty are left out.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quotes, mut escaped) = (false, false);
    let parts = text.split(move |c| {
        let ends = c == separator && !quotes;
        if c == '"' && !escaped {
            quotes = !quotes;
        }
        escaped = c == '\\' && !escaped;
        ends
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// The name of an alias, and what stands behind its colon.
fn split_name(entry: &str) -> Option<(&str, &str)> {
    let name = split(entry, ':').next()?;
    let (before, rest) = entry.split_at_checked(entry.find(name)? + name.len())?;
    Some((before.trim(), rest.trim_start().strip_prefix(':')?))
}

/// By what a name is looked up.
fn key(name: &str) -> Result<String, String> {
    let wrong = || format!("{name} is neither a name nor an address");
    match Mailbox::parse(name) {
        Some(mailbox) => Ok(mailbox_key(&mailbox)),
        None => local(name).map(|local| local.to_lowercase()).ok_or_else(wrong),
    }
}

/// An address as it is looked up.
fn mailbox_key(mailbox: &Mailbox) -> String {
    format!("{}@{}", mailbox.local().to_lowercase(), mailbox.host())
}

/// A local part that stands alone, without its quotes.
fn local(text: &str) -> Option<String> {
    Mailbox::parse(&format!("{text}@localhost")).map(|mailbox| mailbox.local().to_owned())
}

/// What one value stands for.
fn targets(value: &str, maildirs: &Path, include: &mut Include<'_>) -> Result<Vec<Target>, String> {
    let Some(special) = special(value) else { return Ok(vec![address(value)?]) };
    if special == "/dev/null" {
        return Ok(vec![Target::Nobody]);
    }
    if special.starts_with('/') {
        return maildir(special, maildirs).map(|path| vec![Target::Maildir(path)]);
    }
    if let Some(file) = special.strip_prefix(":include:") {
        return list(Path::new(file.trim()), include);
    }
    if let Some(name) = special.strip_prefix('\\') {
        let account = local(name).ok_or_else(|| format!("{value} is no name of an account"))?;
        return Ok(vec![Target::Account(account)]);
    }
    Err(match special.starts_with('|') {
        true => format!(
            "{value} would give messages to a program, which this server does not: let the program collect them \
             from a Maildir, `name: /.../name/`"
        ),
        false => format!("{value} is neither a name, an address, a Maildir nor :include:FILE"),
    })
}

/// A value that is no address, without quotes around all of it.
fn special(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(inner.unwrap_or(value)).filter(|bare| bare.starts_with(['|', '/', ':', '\\']))
}

fn address(value: &str) -> Result<Target, String> {
    if let Some(mailbox) = Mailbox::parse(value) {
        return Ok(Target::Address(mailbox));
    }
    let wrong = || format!("{value} is neither a name nor an address");
    local(value).map(|local| Target::Name(local.to_lowercase())).ok_or_else(wrong)
}

/// The Maildir of a path of the system.
fn maildir(path: &str, maildirs: &Path) -> Result<trenza_storage::Path, String> {
    let outside = || {
        let shown = maildirs.display();
        format!("{path} is no Maildir in {shown}: messages go to Maildirs there only, as in {}/name/", shown)
    };
    let inside = Path::new(path).strip_prefix(maildirs).map_err(|_| outside())?;
    let path = trenza_storage::Path::new(inside.as_os_str().as_encoded_bytes());
    path.ok().filter(|path| !path.is_root()).ok_or_else(outside)
}

/// The addresses of a list.
fn list(file: &Path, include: &mut Include<'_>) -> Result<Vec<Target>, String> {
    let text = include(file)?;
    let mut targets = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for value in split(uncommented(line), ',') {
            let target = match special(value) {
                Some(_) => Err(format!("{value} is no address, and a list has nothing else")),
                None => address(value),
            };
            targets.push(target.map_err(|what| format!("{}:{}: {what}", file.display(), number + 1))?);
        }
        if targets.len() > TARGETS_MAX {
            return Err(format!("{} has more than {TARGETS_MAX} addresses", file.display()));
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Aliases, Wrong> {
        Aliases::parse(text, Path::new("/var/mail"), &mut |file| match file.to_str() {
            Some("staff") => Ok("# us\nann, bob@Example.com\n\n carl # and he\n".into()),
            Some("bad") => Ok("ann\n|program\n".into()),
            _ => Err(format!("there is no {}", file.display())),
        })
    }

    fn mailbox(text: &str) -> Target {
        Target::Address(Mailbox::parse(text).unwrap())
    }

    fn name(text: &str) -> Target {
        Target::Name(text.into())
    }

    #[test]
    fn what_names_stand_for() {
        let text = "# comment\n\nPostmaster : Ann\nsales:ann,bob@Example.org ,\n\tcarl # no\n  , \"d e\"@x\n\
             \"a:b,c #\": \\Ann\nann@example.org: \"/var/mail/x y/z/\", /dev/null\nstaff: :include:staff, \":include:staff\"\n\
             \"quoted name\": \"a b\"\n";
        let aliases = parse(text).unwrap();
        assert_eq!(aliases.len(), 6);
        assert_eq!(aliases.get("postmaster").unwrap(), [name("ann")]);
        let sales = [name("ann"), mailbox("bob@example.org"), name("carl"), mailbox("\"d e\"@x")];
        assert_eq!(aliases.get("sales").unwrap(), sales);
        assert_eq!(aliases.get("a:b,c #").unwrap(), [Target::Account("Ann".into())]);
        let path = trenza_storage::Path::new("x y/z").unwrap();
        assert_eq!(aliases.get("ann@example.org").unwrap(), [Target::Maildir(path), Target::Nobody]);
        let staff = [name("ann"), mailbox("bob@example.com"), name("carl")];
        assert_eq!(aliases.get("staff").unwrap(), [&staff[..], &staff].concat());
        assert_eq!(aliases.get("quoted name").unwrap(), [name("a b")]);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, what) in [
            ("a: b\nc: |/bin/x\n", 2, "a program"),
            ("a: \"|/bin/x -y, z\"", 1, "a program"),
            ("a: /etc/passwd", 1, "no Maildir in /var/mail"),
            ("a: /var/mail/../x/", 1, "no Maildir in /var/mail"),
            ("a: /var/mail/", 1, "no Maildir in /var/mail"),
            ("a: b\n\nA: c", 3, "twice"),
            ("  a: b", 1, "rest of another line"),
            ("a b", 1, "name: address"),
            ("a:", 1, "nobody"),
            ("a: b c", 1, "neither a name nor an address"),
            ("a@: b", 1, "neither a name nor an address"),
            ("a: b\nb:\n  :include:none", 2, "there is no none"),
            ("a: :include:bad", 1, "bad:2: |program"),
            ("a: \\", 1, "no name of an account"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.line == line && wrong.what.contains(what), "{text:?}: {wrong:?}");
        }
        let many = "a: ".to_owned() + &"b,".repeat(TARGETS_MAX + 1);
        assert!(parse(&many).unwrap_err().what.contains("more than"));
        let long = "a: b\n".to_owned() + &" c@d,\n".repeat(LINE_MAX / 4);
        assert!(parse(&long).unwrap_err().what.contains("too long"));
    }

    #[test]
    fn no_text_panics() {
        for text in [
            "\"",
            "\"\\",
            "a:\"",
            ":",
            "::",
            "a:,,,",
            "\u{e4}: \u{df}",
            "a: \"\"",
            "a: \"|",
            "\\:\\",
            "a: \"/",
        ] {
            let _ = parse(text);
        }
    }
}
