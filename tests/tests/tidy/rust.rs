//! As much of Rust's syntax as the rules need: what is code, where a function begins and ends.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where `fn` stands, from 1.
    pub(crate) line: usize,
    /// From that line to the one of the closing brace, both counted.
    pub(crate) lines: usize,
}

/// The source with comments and literals blanked out: spaces instead of characters, line ends where they were.
pub(crate) fn code(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let opaque = opaque(rest, code.ends_with(is_word));
        let (now, later) = rest.split_at(opaque.max(first.len_utf8()));
        if opaque == 0 {
            code.push_str(now);
        } else {
            code.extend(now.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = later;
    }
    code
}

/// The identifiers and keywords of blanked code, each with what follows it.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_word(c));
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then_some((word, after))
    })
}

/// The functions of blanked code, in the order in which they begin.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (word, after) in words(code) {
        // `fn(u8) -> u8` is a type.
        if word != "fn" || after.starts_with('(') {
            continue;
        }
        let Some((name, signature)) = words(after).next() else { continue };
        if let Some(length) = body_end(signature) {
            let start = code.len() - after.len();
            let end = code.len() - signature.len() + length;
            let line = line_of(code, start);
            functions.push(Function { name: name.into(), line, lines: line_of(code, end) - line + 1 });
        }
    }
    functions
}

/// The length of the comment or literal that `rest` begins with, or 0.
fn opaque(rest: &str, in_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return 1 + quoted(inside, '"');
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        let mut next = inside.chars();
        // `'a` is a lifetime unless a quote follows.
        let literal = matches!((next.next(), next.next()), (Some('\\'), _) | (Some(_), Some('\'')));
        return if literal { 1 + quoted(inside, '\'') } else { 0 };
    }
    if in_word { 0 } else { raw_string(rest) }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(left) = rest.get(at..).filter(|left| !left.is_empty()) {
        let (step, change) = match left {
            _ if left.starts_with("/*") => (2, 1),
            _ if left.starts_with("*/") => (2, -1),
            _ => (left.chars().next().map_or(1, char::len_utf8), 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length up to the closing quote and with it; a backslash hides the character behind it.
fn quoted(inside: &str, quote: char) -> usize {
    let mut hidden = false;
    for (at, c) in inside.char_indices() {
        if !hidden && c == quote {
            return at + c.len_utf8();
        }
        hidden = !hidden && c == '\\';
    }
    inside.len()
}

/// The length of `r"…"`, `br#"…"#` and their kind; 0 when there is none.
fn raw_string(rest: &str) -> usize {
    let Some(after) = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix)) else { return 0 };
    let inside = after.trim_start_matches('#');
    if !inside.starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(after.len() - inside.len()));
    let before = rest.len() - inside.len() + 1;
    rest.get(before..).and_then(|text| text.find(&end)).map_or(rest.len(), |at| before + at + end.len())
}

/// How far it is to the brace that closes the function's body; `None` when a `;` comes instead of a body.
fn body_end(signature: &str) -> Option<usize> {
    let mut brackets = 0;
    let mut braces = 0;
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            // Inside brackets of the signature a brace is a constant: `[u8; { 2 }]`.
            '{' if brackets == 0 || braces > 0 => braces += 1,
            '}' if braces > 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(at);
                }
            }
            _ => (),
        }
    }
    None
}

fn line_of(code: &str, at: usize) -> usize {
    1 + code.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn comments_and_literals_are_blanked() {
    let source = "a // }\nb /* { /* */ } */ c \"}\\\"{\" d '{' e '\\'' f::<'g> r#\"}\"\"# h br\"{\" i r#fn";
    let code = code(source);
    let kept: Vec<&str> = words(&code).map(|(word, _)| word).collect();
    assert_eq!(kept, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "r", "fn"]);
    assert!(!code.contains(['{', '}']));
    assert_eq!(code.matches('\n').count(), 1);
}

#[test]
fn functions_are_measured() {
    let source = "trait A { fn a(&self); }\nfn b<T>(f: fn(u8) -> T, g: [u8; { 2 }])\nwhere\n{\n  if x { y }\n\n}\nfn c() {}\n";
    let lengths: Vec<_> = functions(&code(source)).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(lengths, [("b".to_string(), 2, 6), ("c".to_string(), 8, 1)]);
}
