//! What the documents and the comments point to is there: sections, files and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_path_buf()
}

/// The texts of the repository with one of these endings, by their paths from its root.
fn texts(endings: &[&str]) -> BTreeMap<PathBuf, String> {
    let root = root();
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                let is_ours = !name.starts_with('.') && !["target", "node_modules", "out", "cache"].contains(&name);
                folders.extend(is_ours.then_some(path));
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(&path).expect("the file is text");
                found.insert(path.strip_prefix(&root).expect("it lies below").to_path_buf(), text);
            }
        }
    }
    found
}

/// The numbers of the sections of each document in `docs`, by its name; those without numbers are left out.
fn sections() -> BTreeMap<String, BTreeSet<u32>> {
    let numbers = |text: &str| -> BTreeSet<u32> {
        text.lines().filter_map(|line| line.strip_prefix("## ")?.split_once('.')?.0.parse().ok()).collect()
    };
    let documents = texts(&[".md"]).into_iter().filter(|(path, _)| path.starts_with("docs"));
    documents
        .map(|(path, text)| (path.file_name().expect("it has a name").to_string_lossy().into_owned(), numbers(&text)))
        .filter(|(_, numbers)| !numbers.is_empty())
        .collect()
}

/// The number that a text begins with, behind what may stand between it and the name of a document.
fn section_behind(text: &str) -> Option<u32> {
    let text = text.trim_start_matches(['`', ')']).strip_prefix(',')?.trim_start();
    let text = text.strip_prefix("sections ").or(text.strip_prefix("section ")).unwrap_or(text);
    let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    text[..digits].parse().ok()
}

/// The number in `section 6 of ` before the name of a document.
fn section_before(text: &str) -> Option<u32> {
    let (_, number) = text.trim_end_matches(['`', '[']).strip_suffix(" of ")?.rsplit_once("section ")?;
    number.parse().ok()
}

#[test]
fn sections_that_are_pointed_to_exist() {
    let sections = sections();
    let mut pointers = 0;
    for (path, text) in texts(&[".rs", ".md", ".sol", ".cu", ".hpp", ".cpp"]) {
        // A pointer may be broken into two lines, each of which begins as a comment does.
        let text =
            text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!', '*', ' '])).collect::<Vec<_>>();
        let text = text.join(" ");
        for (name, numbers) in &sections {
            for (at, _) in text.match_indices(name.as_str()) {
                let before = text[..at].trim_end_matches("docs/");
                for number in section_behind(&text[at + name.len()..]).into_iter().chain(section_before(before)) {
                    assert!(numbers.contains(&number), "{}: {name} has no section {number}", path.display());
                    pointers += 1;
                }
            }
        }
    }
    assert!(pointers > 20, "{pointers} pointers");
}

#[test]
fn files_that_documents_link_to_exist() {
    for (path, text) in texts(&[".md"]) {
        let folder = root().join(path.parent().expect("it lies in a folder"));
        for (_, rest) in text.match_indices("](").map(|(at, link)| text.split_at(at + link.len())) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains("::") {
                continue;
            }
            assert!(folder.join(target).exists(), "{}: {target} is not there", path.display());
        }
    }
}

/// Where a document names tests: the last columns of its tables, and the paragraphs that begin with "*Tests*".
fn places_of_tests(document: &str) -> Vec<&str> {
    let last_column = |line: &'_ str| -> Option<usize> {
        line.strip_prefix('|')?.trim_end().strip_suffix('|')?.rfind('|').map(|bar| bar + 1)
    };
    let columns = document.lines().filter_map(|line| last_column(line).map(|start| &line[start..]));
    let paragraphs = document.split("\n\n").filter(|paragraph| paragraph.starts_with("*Tests*"));
    columns.chain(paragraphs).collect()
}

/// Names of tests are words joined by two underscores or more; an ellipsis stands for the rest of one.
#[test]
fn tests_that_documents_name_exist() {
    let sources = texts(&[".rs", ".sol"]);
    let functions: BTreeSet<&str> = (sources.values())
        .flat_map(|text| text.match_indices("fn ").map(|(at, _)| &text[at + 3..]))
        .map(|rest| rest.split(|of: char| !of.is_alphanumeric() && of != '_').next().unwrap_or_default())
        .collect();
    let mut named = 0;
    for document in ["soundness.md", "linking.md", "onchain.md"] {
        let text = fs::read_to_string(root().join("docs").join(document)).expect("the document is there");
        for name in places_of_tests(&text).into_iter().flat_map(|place| place.split('`').skip(1).step_by(2)) {
            let stem = name.trim_end_matches('…');
            let is_part = |of: char| of.is_ascii_lowercase() || of.is_ascii_digit() || of == '_';
            if stem.matches('_').count() < 2 || !stem.chars().all(is_part) {
                continue;
            }
            let is_there =
                functions.iter().any(|&function| function == stem || stem != name && function.starts_with(stem));
            assert!(is_there, "{document}: no test {name}");
            named += 1;
        }
    }
    assert!(named > 40, "{named} tests");
}
