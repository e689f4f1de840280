//! Text from files as it may stand in a line that people read.
//!
//! Names in keys, programs and models are chosen by whoever made the file. Printed as they are, they could end a line and begin one that
//! reads like a verdict, move the cursor over what was printed, turn the order of what follows, or look like another name.

use std::borrow::Cow;

/// Text with what a terminal would obey instead of showing it, or would not show at all, written as Rust escapes it: control characters,
/// ends of lines and paragraphs, and what Unicode has nothing shown for (`Default_Ignorable_Code_Point`), such as spaces without a
/// width and the characters that change the direction of text.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_unseen(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn is_unseen(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') || is_ignorable(character)
}

/// The code points that Unicode's `DerivedCoreProperties` has as `Default_Ignorable_Code_Point`, and the marks of annotations.
fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_all_else_kept() {
        for text in ["", "conv1/weight:0", "größe 数 \u{1f600}", "a \"quoted\" \\name"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(printable("y\nACCEPTED\r\x1b[8m\t"), "y\\nACCEPTED\\r\\u{1b}[8m\\t");
        let obeyed = ['\0', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{61c}'];
        let hidden = ['\u{ad}', '\u{200b}', '\u{200d}', '\u{2060}', '\u{3164}', '\u{fe0f}', '\u{feff}', '\u{e0041}'];
        for unseen in obeyed.into_iter().chain(hidden) {
            let shown = printable(&format!("a{unseen}b")).into_owned();
            assert!(shown.starts_with("a\\u{") && shown.ends_with("}b") && shown.is_ascii(), "{shown}");
        }
    }
}
