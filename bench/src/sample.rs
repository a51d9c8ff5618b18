//! Medians and quartiles: what is left of a measurement on a machine that does other things too.

/// The middle value, or the mean of the two middle ones; NaN of none.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The values that a quarter and three quarters lie below.
pub fn quartiles(values: &[f64]) -> (f64, f64) {
    (quantile(values, 0.25), quantile(values, 0.75))
}

/// The median of ratios, and the quartiles in brackets, as Markdown.
pub fn spread(ratios: &[f64]) -> String {
    let (low, high) = quartiles(ratios);
    format!("**{:.3}** [{low:.3}, {high:.3}]", median(ratios))
}

/// Linear between the two nearest values.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = part * sorted.len().saturating_sub(1) as f64;
    match (sorted.get(at.floor() as usize), sorted.get(at.ceil() as usize)) {
        (Some(low), Some(high)) => low + (high - low) * at.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(quartiles(&[5.0, 4.0, 3.0, 2.0, 1.0]), (2.0, 4.0));
        assert!(median(&[]).is_nan());
    }
}
