//! What a check says once its connection stands: a request, as it is or within TLS, and what it hears
//! of the answer.
//!
//! Whatever certificate a target has will do: a check asks whether it serves, not who it is, and it
//! takes what it hears from the target's own port. TLS draws its own random numbers; nothing that is
//! found out depends on them.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        Resumption, UnbufferedClientConnection,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    time_provider::TimeProvider,
    unbuffered::{ConnectionState, UnbufferedStatus},
};

/// What is read of an answer: `HTTP/1.1 200` and what follows a slow first byte.
pub(super) const ANSWER: usize = 64;

/// What a target may say before it is understood: certificates are long, endless ones are none.
const MOST_HEARD: usize = 1 << 17;

/// Room for what TLS says at once.
const ROOM: usize = 4096;

/// A conversation.
#[derive(Debug)]
pub(super) struct Talk {
    /// The sequence number of the first byte that isn't acknowledged.
    seq: u32,
    /// What was said from there on.
    said: Vec<u8>,
    /// The next byte of the other side.
    next: u32,
    tls: Option<Box<Tls>>,
    /// The first bytes of the answer.
    answer: Vec<u8>,
    ended: bool,
}

struct Tls {
    connection: UnbufferedClientConnection,
    /// What was heard and not understood yet.
    heard: Vec<u8>,
    total: usize,
    /// What is asked once that can be said in secret.
    request: Option<Vec<u8>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.heard.len();
        f.debug_struct("Tls").field("waiting", &waiting).finish()
    }
}

impl Talk {
    /// Says the request as it is.
    pub(super) fn plain((seq, next): (u32, u32), request: Vec<u8>) -> Self {
        Self {
            seq,
            said: request,
            next,
            tls: None,
            answer: Vec::new(),
            ended: false,
        }
    }

    /// Says hello first.
    pub(super) fn secret(
        numbers: (u32, u32),
        to: IpAddr,
        request: Vec<u8>,
    ) -> Result<Self, String> {
        let config = config().ok_or("TLS isn't there")?;
        let connection = UnbufferedClientConnection::new(config, ServerName::from(to));
        let mut talk = Self::plain(numbers, Vec::new());
        talk.tls = Some(Box::new(Tls {
            connection: connection.map_err(said_of)?,
            heard: Vec::new(),
            total: 0,
            request: Some(request),
        }));
        talk.go_on()?;
        Ok(talk)
    }

    /// Takes a segment; whether something is to be said to it.
    pub(super) fn hear(
        &mut self,
        (seq, ack): (u32, u32),
        payload: &[u8],
        fin: bool,
    ) -> Result<bool, String> {
        let heard = ack.wrapping_sub(self.seq) as usize;
        if heard <= self.said.len() {
            self.said.drain(..heard);
            self.seq = ack;
        }
        if seq != self.next {
            return Ok(!payload.is_empty());
        }
        self.next = seq
            .wrapping_add(payload.len() as u32)
            .wrapping_add(fin.into());
        self.ended |= fin;
        match &mut self.tls {
            None => take(&mut self.answer, payload),
            Some(tls) => {
                tls.total += payload.len();
                if tls.total > MOST_HEARD {
                    return Err("it says too much before it answers".to_owned());
                }
                tls.heard.extend_from_slice(payload);
                self.go_on()?;
            }
        }
        Ok(fin || !payload.is_empty())
    }

    /// Understands what was heard, and says what there is to say.
    fn go_on(&mut self) -> Result<(), String> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = tls.connection.process_tls_records(&mut tls.heard);
            let waits = match state.map_err(said_of)? {
                ConnectionState::EncodeTlsData(mut state) => {
                    put(&mut self.said, |room| state.encode(room))?;
                    false
                }
                ConnectionState::TransmitTlsData(state) => {
                    state.done();
                    false
                }
                ConnectionState::WriteTraffic(mut state) => match tls.request.take() {
                    Some(request) => {
                        put(&mut self.said, |room| state.encrypt(&request, room))?;
                        false
                    }
                    None => true,
                },
                ConnectionState::ReadTraffic(mut state) => {
                    while let Some(record) = state.next_record() {
                        let record = record.map_err(said_of)?;
                        discard += record.discard;
                        take(&mut self.answer, record.payload);
                    }
                    false
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.ended = true;
                    true
                }
                _ => true,
            };
            tls.heard.drain(..discard);
            if waits {
                return Ok(());
            }
        }
    }

    /// What is to be said, or again: from which byte on, and what is expected next.
    pub(super) fn to_say(&self) -> (u32, u32, &[u8]) {
        (self.seq, self.next, &self.said)
    }

    /// The byte after all that was said.
    pub(super) fn end(&self) -> u32 {
        self.seq.wrapping_add(self.said.len() as u32)
    }

    /// The first bytes of the answer, and whether no more comes.
    pub(super) fn answer(&self) -> (&[u8], bool) {
        (&self.answer, self.ended)
    }
}

fn take(answer: &mut Vec<u8>, heard: &[u8]) {
    let room = ANSWER - answer.len().min(ANSWER);
    answer.extend_from_slice(&heard[..heard.len().min(room)]);
}

/// Appends what TLS writes.
fn put<E: fmt::Display>(
    said: &mut Vec<u8>,
    write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<(), String> {
    let at = said.len();
    said.resize(at + ROOM, 0);
    let written = write(&mut said[at..]);
    said.truncate(at + *written.as_ref().unwrap_or(&0));
    written.map(|_| ()).map_err(said_of)
}

fn said_of(error: impl fmt::Display) -> String {
    format!("TLS: {error}")
}

/// Believes everybody.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// No clock is read: certificates that nobody verifies don't expire.
#[derive(Debug)]
struct NoTime;

impl TimeProvider for NoTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}

/// The same for all checks.
fn config() -> Option<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let provider = Arc::new(ring::default_provider());
            let builder =
                ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(NoTime));
            let mut config = builder
                .with_safe_default_protocol_versions()
                .ok()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
                .with_no_client_auth();
            config.resumption = Resumption::disabled();
            Some(Arc::new(config))
        })
        .clone()
}
