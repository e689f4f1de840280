//! Text from files as it may stand in a line that people read.
//!
//! Names in keys, programs and models are chosen by whoever made the file. Printed as they are, they could end a line and begin one that
//! reads like a verdict, move the cursor over what was printed, or turn the order of what follows.

use std::borrow::Cow;

/// Text with what a terminal would obey instead of showing it written as Rust escapes it: control characters, ends of lines and
/// paragraphs, and the characters that change the direction of text.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_obeyed(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn is_obeyed(character: char) -> bool {
    let directs = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || directs || matches!(character, '\u{2028}' | '\u{2029}')
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
        for obeyed in ['\0', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{61c}'] {
            let shown = printable(&format!("a{obeyed}b")).into_owned();
            assert!(shown.starts_with("a\\u{") && shown.ends_with("}b") && shown.is_ascii(), "{shown}");
        }
    }
}
