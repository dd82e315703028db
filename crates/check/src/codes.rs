//! The codes of this phase, as the documentation explains them. A table for each hundred.

use std::sync::LazyLock;

mod axes;
mod data;
mod guides;
mod later;
mod names;
mod objective;
mod refine;
mod types;
mod warnings;

/// Code, title and explanation of every message of this phase, in order.
pub static CODES: LazyLock<Vec<(&'static str, &'static str, &'static str)>> = LazyLock::new(|| {
    [
        names::CODES,
        axes::CODES,
        types::CODES,
        guides::CODES,
        refine::CODES,
        objective::CODES,
        data::CODES,
        later::CODES,
        warnings::CODES,
    ]
    .concat()
});

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CODES;

    /// The tables and the messages hold the same codes.
    #[test]
    fn the_tables_are_complete() {
        let files = [
            include_str!("messages/axes.rs"),
            include_str!("messages/chains.rs"),
            include_str!("messages/data.rs"),
            include_str!("messages/guides.rs"),
            include_str!("messages/later.rs"),
            include_str!("messages/layers.rs"),
            include_str!("messages/names.rs"),
            include_str!("messages/objective.rs"),
            include_str!("messages/refine.rs"),
            include_str!("messages/types.rs"),
            include_str!("messages/warnings.rs"),
        ];
        let is_code =
            |w: &&str| w.len() == 5 && w.starts_with(['E', 'W']) && w.chars().skip(1).all(|c| c.is_ascii_digit());
        let used: BTreeSet<&str> = files.iter().flat_map(|f| f.split('"')).filter(is_code).collect();
        let listed: Vec<&str> = CODES.iter().map(|c| c.0).collect();
        assert!(listed.is_sorted());
        assert_eq!(used.into_iter().collect::<Vec<_>>(), listed);
    }
}
