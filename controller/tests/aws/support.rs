//! A controller with the AWS-compatible API, and Python beside it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use weft_controller::{Error, Options, Server, aws};

pub(crate) const KEY: &str = "AKIDEXAMPLE:a-secret-of-somebody";

/// A controller of two regions that serves in this process.
pub(crate) struct Cloud {
    pub(crate) aws: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), Error>>,
    data: TempDir,
}

fn options(data: &Path) -> Options {
    let loopback = "127.0.0.1:0".parse().unwrap();
    Options {
        listen: vec![loopback],
        data: data.to_owned(),
        ipv6_pool: "fd57:6566:7400::/40".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        quota: Vec::new(),
        aws: aws::Options {
            listen: Some(loopback),
            key: vec![KEY.parse().unwrap()],
            keys: None,
            region: vec![
                "us-east-1".parse().unwrap(),
                "eu-west-1=ab".parse().unwrap(),
            ],
            public: vec!["us-east-1=203.0.113.0/24".parse().unwrap()],
        },
        telemetry: Default::default(),
    }
}

/// The first Python that has boto3: the one on the path, or the system's.
fn python() -> Option<&'static str> {
    static FOUND: OnceLock<Option<&str>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        ["python3", "/usr/bin/python3"].into_iter().find(|python| {
            let mut command = Command::new(python);
            command.args(["-c", "import boto3"]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
    })
}

impl Cloud {
    /// `None` where the machine has no boto3, which is said.
    pub(crate) async fn start() -> Option<Self> {
        if python().is_none() {
            weft_tests::skip("no Python here has boto3: scripts/deps test installs it");
            return None;
        }
        Some(Self::start_in(tempfile::tempdir().unwrap()).await)
    }

    pub(crate) async fn start_in(data: TempDir) -> Self {
        let server = Server::bind(&options(data.path())).unwrap();
        let aws = server.aws_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self {
            aws,
            stop,
            serving,
            data,
        }
    }

    /// Stops it in order; its data stays.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
        self.data
    }

    /// Runs a script to its end; what it asserts must hold.
    pub(crate) async fn run(&self, script: &str, name: &str) {
        let (id, secret) = KEY.split_once(':').unwrap();
        let path: PathBuf = self.data.path().join(name);
        std::fs::write(&path, script).unwrap();
        let library = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/scripts");
        let mut command = tokio::process::Command::new(python().unwrap());
        command
            .arg(&path)
            .env("PYTHONPATH", library)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_ENDPOINT", format!("http://{}", self.aws))
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            // Nothing of this machine's own.
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .kill_on_drop(true);
        let output = command.output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}:\n{said}\n{told}");
    }
}
