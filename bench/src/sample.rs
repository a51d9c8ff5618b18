//! Medians and quartiles: what is left of a measurement on a machine that does other things too.

/// The middle value, or the mean of the two middle ones; NaN of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Half of what the middle half of the values covers, as a part of the median.
pub(crate) fn noise(values: &[f64]) -> f64 {
    (quantile(values, 0.75) - quantile(values, 0.25)) / 2.0 / median(values)
}

/// The median of ratios, and the quartiles in brackets, as Markdown.
pub(crate) fn spread(ratios: &[f64]) -> String {
    let (low, high) = (quantile(ratios, 0.25), quantile(ratios, 0.75));
    format!("**{:.2}** [{low:.2}, {high:.2}]", median(ratios))
}

/// The value that such a part of all is below; linear between the two nearest ones.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
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
        assert_eq!(noise(&[5.0, 4.0, 3.0, 2.0, 1.0]), 1.0 / 3.0);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[1.0, 1.0, 2.0]), "**1.00** [1.00, 1.50]");
    }
}
