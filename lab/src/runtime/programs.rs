//! Programs of the machine that labs run.

use std::path::Path;

/// Where daemons are, which an ordinary user's path often lacks.
const DAEMONS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The path that a lab's programs are looked for on.
pub(crate) fn path() -> String {
    let mut path = std::env::var("PATH").unwrap_or_default();
    for directory in DAEMONS {
        path.push(':');
        path.push_str(directory);
    }
    path
}

/// Where a program is, if it is installed.
pub(crate) fn find(program: &str) -> Option<String> {
    find_in(path().split(':'), program)
}

fn find_in<'d>(mut directories: impl Iterator<Item = &'d str>, program: &str) -> Option<String> {
    directories.find_map(|directory| {
        let file = Path::new(directory).join(program);
        file.is_file().then(|| file.display().to_string())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_directory_that_has_it_is_taken_and_none_where_none_has() {
        let has = tempfile::tempdir().unwrap();
        let lacks = tempfile::tempdir().unwrap();
        fs::write(has.path().join("bird"), "").unwrap();
        let [has, lacks] = [&has, &lacks].map(|d| d.path().to_str().unwrap());
        let found = find_in([lacks, has].into_iter(), "bird");
        assert_eq!(found, Some(format!("{has}/bird")));
        assert_eq!(find_in([lacks].into_iter(), "bird"), None);
    }
}
