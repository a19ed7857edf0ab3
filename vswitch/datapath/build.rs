//! Compiles the kernel datapath's programs with the clang on the PATH. Without one Weft still builds:
//! the object is empty, and the file beside it says why.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCES: &str = "kernel";
const PROGRAM: &str = "kernel/weft.bpf.c";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCES}");
    println!("cargo::rerun-if-env-changed=WEFT_CLANG");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let object = out.join("weft.bpf.o");
    let missing = match compile(&object) {
        Ok(()) => String::new(),
        Err(Missing::Clang(why)) => {
            fs::write(&object, [])?;
            why
        }
        Err(Missing::Sense(log)) => return Err(log.into()),
    };
    fs::write(out.join("weft.bpf.missing"), missing)?;
    Ok(())
}

enum Missing {
    /// There is none, or it has no BPF target.
    Clang(String),
    /// It refused the program.
    Sense(String),
}

fn compile(object: &Path) -> Result<(), Missing> {
    let clang = std::env::var("WEFT_CLANG").unwrap_or_else(|_| "clang".to_owned());
    let targets = Command::new(&clang).arg("-print-targets").output();
    let targets = targets.map_err(|error| Missing::Clang(format!("{clang}: {error}")))?;
    if !String::from_utf8_lossy(&targets.stdout).contains("bpf") {
        return Err(Missing::Clang(format!("{clang} has no BPF target")));
    }
    let done = Command::new(&clang)
        .args(["-O2", "-g", "-Wall", "-Wextra", "-Werror"])
        .args(["-target", "bpf", "-mcpu=v3", "-c", PROGRAM, "-o"])
        .arg(object)
        .output();
    let done = done.map_err(|error| Missing::Clang(format!("{clang}: {error}")))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(Missing::Sense(String::from_utf8_lossy(&done.stderr).into())),
    }
}
