//! The page that says how the RFCs are met names tests that exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = "../docs/http-conformance.md";

#[test]
fn every_row_of_the_conformance_page_names_a_test_that_exists_or_says_why_there_is_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let tests = tests_below(&[root.join("src"), root.join("tests")]);
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| section"))
    {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_section, level, _says, _here, covered] = cells[..] else { panic!("{row}") };
        assert!(["MUST", "SHOULD", "MAY", "is"].contains(&level), "{row}");
        let names: Vec<_> = covered.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() || covered.starts_with("none: "), "{row}");
        for name in names {
            assert!(tests.contains(name), "there is no test {name}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}

fn tests_below(folders: &[PathBuf]) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut folders = folders.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(path).unwrap();
                let mut is_test = false;
                for line in source.lines().map(str::trim) {
                    is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
                    if let Some((_, name)) = line.split_once("fn ")
                        && is_test
                    {
                        tests.extend(name.split('(').next().map(str::to_owned));
                        is_test = false;
                    }
                }
            }
        }
    }
    tests
}
