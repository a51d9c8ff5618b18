//! [`Terms`]: what stands in the attribute's parentheses.

use syn::{
    Error, Expr, Ident, LitStr, Result, Token,
    parse::{Parse, ParseStream},
};

/// How long a test may take unless told otherwise.
const MILLIS: u64 = 10_000;

/// What stands in the attribute's parentheses.
pub(crate) struct Terms {
    pub(crate) simulated: bool,
    pub(crate) seeds: Option<Expr>,
    pub(crate) millis: u64,
}

impl Parse for Terms {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut terms = Self { simulated: false, seeds: None, millis: MILLIS };
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            match &*name.to_string() {
                "sim" => terms.simulated = true,
                "seeds" => {
                    input.parse::<Token![=]>()?;
                    terms.seeds = Some(input.parse()?);
                }
                "time" => {
                    input.parse::<Token![=]>()?;
                    let text: LitStr = input.parse()?;
                    let what = "a time is a whole number with its unit: \"250ms\", \"5s\" or \"1m\"";
                    terms.millis = millis(&text.value()).ok_or_else(|| Error::new(text.span(), what))?;
                }
                _ => {
                    return Err(Error::new(
                        name.span(),
                        "this is not one of `sim`, `seeds = 0..50`, `time = \"5s\"`",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match &terms.seeds {
            Some(seeds) if !terms.simulated => {
                Err(Error::new_spanned(seeds, "seeds are for the simulator: `sim, seeds = ...`"))
            }
            _ => Ok(terms),
        }
    }
}

/// Milliseconds of a time with its unit; none of it is not a time.
fn millis(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|millis| *millis > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_str;

    #[test]
    fn times_have_a_unit() {
        assert_eq!([millis("250ms"), millis("5s"), millis("2m")], [Some(250), Some(5000), Some(120_000)]);
        for wrong in
            ["", "5", "s", "5 s", "-5s", "5h", "0s", "1.5s", "99999999999999999999s", "999999999999999999m"]
        {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn terms_are_read() {
        let plain: Terms = parse_str("").unwrap();
        assert!(!plain.simulated && plain.seeds.is_none() && plain.millis == MILLIS);
        let full: Terms = parse_str("sim, seeds = 3..9, time = \"1s\",").unwrap();
        assert!(full.simulated && full.seeds.is_some() && full.millis == 1000);
    }

    #[test]
    fn wrong_terms_say_what_is_right() {
        for (wrong, why) in [
            ("simulator", "not one of `sim`"),
            ("seeds = 0..9", "for the simulator"),
            ("time = \"soon\"", "with its unit"),
            ("sim seeds = 0..9", "expected `,`"),
        ] {
            let error = parse_str::<Terms>(wrong).err().unwrap().to_string();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
