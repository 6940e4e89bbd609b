//! How sure a rate is that was counted in a few runs.

/// The 97.5th percentile of the standard normal distribution: an interval of 95%.
const Z: f64 = 1.959_964;

/// Wilson's score interval of 95%: the rates at which `hits` of `all` is no surprise. `all` is not 0.
pub fn wilson(hits: usize, all: usize) -> (f64, f64) {
    let (hits, all) = (hits as f64, all as f64);
    let (share, square) = (hits / all, Z * Z);
    let middle = share + square / (2.0 * all);
    let spread = Z * (share * (1.0 - share) / all + square / (4.0 * all * all)).sqrt();
    let whole = 1.0 + square / all;
    let low = (middle - spread) / whole;
    let high = (middle + spread) / whole;
    (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
}

/// `hits` of `all` as a rate with its interval: `10.0% (95% interval 2.8% to 30.1%)`.
pub fn rate(hits: usize, all: usize) -> String {
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let (low, high) = wilson(hits, all);
    format!(
        "{} (95% interval {} to {})",
        percent(hits as f64 / all as f64),
        percent(low),
        percent(high)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        let close = |(low, high): (f64, f64), wanted: (f64, f64)| {
            assert!((low - wanted.0).abs() < 5e-5, "{low}");
            assert!((high - wanted.1).abs() < 5e-5, "{high}");
        };
        // From Newcombe's comparison of intervals (1998): 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        close(wilson(81, 263), (0.2553, 0.3662));
        close(wilson(15, 148), (0.0624, 0.1605));
        close(wilson(0, 20), (0.0, 0.1611));
        close(wilson(1, 29), (0.0061, 0.1718));
        assert_eq!(wilson(5, 5).1, 1.0);
        assert_eq!(rate(2, 20), "10.0% (95% interval 2.8% to 30.1%)");
    }
}
