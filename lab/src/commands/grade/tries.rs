//! Programs that must succeed.

use std::{
    fs::File,
    io::Read as _,
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use super::Finding;
use crate::{
    error::LabError,
    runtime::{
        client::{Control, ControlError},
        dirs::LabDir,
        programs,
        wire::Program,
    },
    topology::{ExerciseSpec, TrySpec},
};

/// How long a program is tried anew: servers may have been started just now.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait before it is tried anew.
const AGAIN: Duration = Duration::from_millis(200);

/// Seconds that a program may take.
const LONGEST: &str = "10";

/// What is kept of a program's output: a page, not a stream.
const MOST_OUTPUT: u64 = 64 << 10;

/// What is shown of it.
const SHOWN: usize = 120;

/// Tries everything that the criteria list, all at once; what came of each, in order.
pub(super) fn all(dir: &LabDir, exercise: &ExerciseSpec) -> Result<Vec<Finding>, LabError> {
    let specs = exercise.criteria.iter().flat_map(|c| &c.tries);
    thread::scope(|scope| {
        let begun: Vec<_> = specs
            .map(|spec| scope.spawn(move || until_met(dir, spec)))
            .collect();
        begun
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(LabError::Which("a program's thread ended".into())))
            })
            .collect()
    })
}

fn until_met(dir: &LabDir, spec: &TrySpec) -> Result<Finding, LabError> {
    let begin = Instant::now();
    loop {
        let finding = once(dir, spec)?;
        if finding.met || begin.elapsed() >= PATIENCE {
            return Ok(finding);
        }
        thread::sleep(AGAIN);
    }
}

fn once(dir: &LabDir, spec: &TrySpec) -> Result<Finding, LabError> {
    let wanted = match &spec.prints {
        Some(text) => format!("`{}` in {} prints `{text}`", spec.run, spec.place.value),
        None => format!("`{}` in {} succeeds", spec.run, spec.place.value),
    };
    let prints = spec.prints.as_ref();
    let (met, seen) = match run(dir, spec) {
        Ok((code, output)) => {
            let printed = prints.is_none_or(|text| output.contains(text));
            (code == 0 && printed, seen(code, &output))
        }
        // The workload isn't there, say: that is the learner's to mend.
        Err(LabError::Control(ControlError::Refused { message, .. })) => (false, message),
        Err(error) => return Err(error),
    };
    Ok(Finding {
        met,
        expected: wanted,
        seen,
        decided: None,
    })
}

fn seen(code: i32, output: &str) -> String {
    let line = output.lines().next_back().unwrap_or_default();
    let line: String = line
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    match (code, line.as_str()) {
        (0, line) => format!("`{line}`"),
        // timeout(1) says so.
        (124, _) => format!("no end within {LONGEST} s"),
        (code, "") => format!("exit code {code}"),
        (code, line) => format!("exit code {code}: `{line}`"),
    }
}

/// Runs it once: its exit code, and what it printed on both outputs.
fn run(dir: &LabDir, spec: &TrySpec) -> Result<(i32, String), LabError> {
    let argv = ["timeout", LONGEST, "sh", "-c", &spec.run];
    let program = Program {
        workload: Some(spec.place.value.clone()),
        argv: argv.map(str::to_owned).into(),
        env: [("PATH".to_owned(), programs::path())].into(),
        cwd: "/".into(),
        tty: false,
    };
    let nothing = File::open("/dev/null")?;
    let (reader, writer) = std::io::pipe()?;
    let control = Control::connect(dir)?;
    thread::scope(|scope| {
        let output = scope.spawn(move || {
            let mut kept = Vec::new();
            let read = reader.take(MOST_OUTPUT).read_to_end(&mut kept);
            read.map(|_| String::from_utf8_lossy(&kept).into_owned())
        });
        let files = [
            &nothing.as_raw_fd(),
            &writer.as_raw_fd(),
            &writer.as_raw_fd(),
        ];
        let ended = control.call(program, files.map(|fd| *fd));
        drop(writer);
        let output = output.join().unwrap_or_else(|_| Ok(String::new()))?;
        Ok((ended?, output))
    })
}
