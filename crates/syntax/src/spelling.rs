//! Which keyword a misspelt word was meant to be.

use crate::token::Token;

/// The statement words, each with words of other languages or fields that mean it.
const KEYWORDS: [(&str, Token<'static>, &[&str]); 17] = [
    ("model", Token::Model, &["program"]),
    ("dim", Token::Dim, &["dimension", "axis", "plate", "dims"]),
    ("const", Token::Const, &["constant"]),
    ("data", Token::Data, &["dataset", "input"]),
    ("param", Token::Param, &["parameter", "parameters", "params"]),
    ("let", Token::Let, &["var", "val", "set", "deterministic"]),
    ("latent", Token::Latent, &["prior", "sample", "hidden"]),
    ("guide", Token::Guide, &["posterior", "variational"]),
    ("observe", Token::Observe, &["likelihood", "obs", "observed"]),
    ("loss", Token::Loss, &["cost"]),
    ("meter", Token::Meter, &["monitor"]),
    ("for", Token::For, &["foreach"]),
    ("refine", Token::Refine, &[]),
    ("minimize", Token::Minimize, &["minimise", "objective"]),
    ("train", Token::Train, &["fit", "training"]),
    ("show", Token::Show, &["plot", "display"]),
    ("fn", Token::Fn, &["function", "func", "fun", "def"]),
];

/// The keyword that `word` stands for, if it is near to one or means one.
pub fn keyword(word: &str) -> Option<(&'static str, Token<'static>)> {
    let lower = word.to_lowercase();
    if lower.starts_with("max") {
        // Near to `minimize`, and the opposite of it.
        return None;
    }
    let exact =
        |&&(keyword, _, synonyms): &&(&str, Token, &[&str])| keyword == lower || synonyms.contains(&lower.as_str());
    let near = || {
        KEYWORDS
            .iter()
            .map(|entry| (distance(&lower, entry.0), entry))
            .filter(|(far, entry)| *far <= allowance(entry.0))
            .min_by_key(|(far, _)| *far)
            .map(|(_, entry)| entry)
    };
    let (keyword, token, _) = KEYWORDS.iter().find(exact).or_else(near)?;
    Some((keyword, *token))
}

/// How a statement word is written; empty for [`Token::Stray`].
pub fn written(token: Token) -> &'static str {
    if token == Token::Price {
        return "price";
    }
    KEYWORDS.iter().find(|entry| entry.1 == token).map_or("", |entry| entry.0)
}

/// How many slips a keyword of this length forgives.
fn allowance(keyword: &str) -> usize {
    match keyword.len() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    }
}

/// Edits between two words: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(32).collect();
    let b: Vec<char> = b.chars().take(32).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = at(&last, j)
                .saturating_add(usize::from(x != y))
                .min(at(&last, j.saturating_add(1)).saturating_add(1))
                .min(at(&row, j).saturating_add(1));
            let swapped = i > 0 && j > 0 && a.get(i.wrapping_sub(1)) == Some(y) && b.get(j.wrapping_sub(1)) == Some(x);
            if swapped {
                best = best.min(at(&before_last, j.wrapping_sub(1)).saturating_add(1));
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("latnt", "latent"), 1);
        assert_eq!(distance("gudie", "guide"), 1);
        assert_eq!(distance("observ", "observe"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn keywords() {
        let meant = |word| keyword(word).map(|(keyword, _)| keyword);
        assert_eq!(meant("latnt"), Some("latent"));
        assert_eq!(meant("minimise"), Some("minimize"));
        assert_eq!(meant("parameter"), Some("param"));
        assert_eq!(meant("likelihood"), Some("observe"));
        assert_eq!(meant("guides"), Some("guide"));
        assert_eq!(meant("Let"), Some("let"));
        assert_eq!(meant("maximize"), None);
        assert_eq!(meant("mu"), None);
        assert_eq!(meant("tau"), None);
        assert_eq!(meant("x"), None);
    }
}
