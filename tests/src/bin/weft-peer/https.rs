//! A server of HTTPS that says one status to whatever is asked.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{Outcome, parse, say, serve::everywhere};

const CERTIFICATE: &[u8] = include_bytes!("../../../data/tls/cert.pem");
const KEY: &[u8] = include_bytes!("../../../data/tls/key.pem");

/// Serves until it is ended.
pub(crate) fn run(port: &str, status: &str) -> Outcome {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE)?;
    let key = PrivateKeyDer::from_pem_slice(KEY)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let config = Arc::new(config);
    let listener = everywhere(parse(port)?, TcpListener::bind)?;
    say("ready")?;
    for stream in listener.incoming().flatten() {
        let (config, status) = (Arc::clone(&config), status.to_owned());
        // A client that leaves in the middle is no failure of the server.
        thread::spawn(move || drop(answer(config, stream, &status)));
    }
    Ok(())
}

fn answer(config: Arc<ServerConfig>, stream: TcpStream, status: &str) -> Outcome {
    let mut stream = StreamOwned::new(ServerConnection::new(config)?, stream);
    let mut buffer = [0; 1024];
    let _ = stream.read(&mut buffer)?;
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n"
    )?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}
