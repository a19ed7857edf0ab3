//! A flow log's file: appended to, rotated when it is large, and its last lines at hand.

use std::{
    collections::VecDeque,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Bytes of a file before the next one begins.
const LARGE: u64 = 8 << 20;
/// Older files that are kept: with the present one, a log takes 40 MiB at the most.
const OLDER: u32 = 4;
/// Lines that can be read without the file.
const AT_HAND: usize = 1_000;

pub(super) struct LogFile {
    path: PathBuf,
    recent: VecDeque<String>,
    /// Lines written since this process began.
    written: u64,
}

impl LogFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            recent: VecDeque::new(),
            written: 0,
        }
    }

    /// Writes lines at the end. They can be read even where the disk refuses them.
    pub(super) fn append(&mut self, lines: Vec<String>) -> io::Result<()> {
        let mut text = lines.join("\n");
        text.push('\n');
        self.written += lines.len() as u64;
        self.recent.extend(lines);
        while self.recent.len() > AT_HAND {
            self.recent.pop_front();
        }
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir)?;
        }
        let size = fs::metadata(&self.path).map_or(0, |file| file.len());
        if size + text.len() as u64 > LARGE && size > 0 {
            self.rotate()?;
        }
        let mut open = OpenOptions::new();
        let mut file = open.create(true).append(true).open(&self.path)?;
        file.write_all(text.as_bytes())
    }

    /// The lines after the one with this number, the newest `limit` of them; and the last number.
    pub(super) fn lines(&self, after: u64, limit: usize) -> (Vec<String>, u64) {
        let new = usize::try_from(self.written.saturating_sub(after)).unwrap_or(usize::MAX);
        let count = new.min(limit).min(self.recent.len());
        let first = self.recent.len() - count;
        let lines = self.recent.iter().skip(first).cloned();
        (lines.collect(), self.written)
    }

    fn rotate(&self) -> io::Result<()> {
        for n in (1..OLDER).rev() {
            let older = numbered(&self.path, n);
            if older.exists() {
                fs::rename(older, numbered(&self.path, n + 1))?;
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))
    }
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    path.with_extension(format!("log.{n}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_from_where_the_reader_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LogFile::new(dir.path().join("deep/fl.log"));
        file.append(vec!["a".into(), "b".into()]).unwrap();
        let (lines, last) = file.lines(0, 10);
        assert_eq!((lines, last), (vec!["a".into(), "b".into()], 2));
        file.append(vec!["c".into()]).unwrap();
        assert_eq!(file.lines(last, 10), (vec!["c".to_owned()], 3));
        assert_eq!(file.lines(3, 10), (Vec::new(), 3));
        let text = fs::read_to_string(dir.path().join("deep/fl.log")).unwrap();
        assert_eq!(text, "a\nb\nc\n");
    }

    #[test]
    fn files_are_rotated_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LogFile::new(dir.path().join("fl.log"));
        let line = "x".repeat(1 << 20);
        for _ in 0..60 {
            file.append(vec![line.clone()]).unwrap();
        }
        let mut sizes = Vec::new();
        for entry in fs::read_dir(dir.path()).unwrap() {
            sizes.push(entry.unwrap().metadata().unwrap().len());
        }
        assert_eq!(sizes.len(), 5);
        assert!(sizes.iter().all(|&size| size <= LARGE), "{sizes:?}");
    }
}
