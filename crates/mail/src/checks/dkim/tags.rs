//! [`Tags`]: lists as `v=1; a=rsa-sha256` (RFC 6376 section 3.2).

/// A list of tags, in which each name stands once.
#[derive(Debug)]
pub(in crate::checks) struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// Takes a list apart; None: it does not follow the grammar, or a name stands twice.
    pub(in crate::checks) fn parse(text: &'a str) -> Option<Self> {
        let mut tags: Vec<(&str, &str)> = Vec::new();
        let text = text.trim_ascii();
        for tag in text.strip_suffix(';').unwrap_or(text).split(';') {
            let (name, value) = tag.split_once('=')?;
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            let named = name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let known = tags.iter().any(|(other, _)| *other == name);
            if !named || known {
                return None;
            }
            tags.push((name, value));
        }
        Some(Self(tags))
    }

    /// What stands behind a name.
    pub(in crate::checks) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// The first name.
    pub(in crate::checks) fn first(&self) -> Option<&'a str> {
        self.0.first().map(|(name, _)| *name)
    }
}

/// A value without the whitespace that lines were folded with.
pub(in crate::checks) fn bare(value: &str) -> String {
    value.chars().filter(|char| !char.is_ascii_whitespace()).collect()
}

/// What stands between colons.
pub(in crate::checks) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(':').map(str::trim_ascii)
}
