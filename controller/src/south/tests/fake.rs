//! A vswitch that keeps versions and forwards nothing.

use std::{collections::BTreeMap, net::SocketAddr};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use weft_model::state::StateKey;
use weft_proto::{
    convert::sync::read_update,
    sync::v1::{
        self as wire, from_host::Message as FromHost, sync_client::SyncClient,
        to_host::Message as ToHost,
    },
};

pub(super) type Held = BTreeMap<StateKey, u64>;

pub(super) struct Fake {
    pub(super) held: Held,
    pub(super) out: mpsc::Sender<wire::FromHost>,
    inbound: Streaming<wire::ToHost>,
    /// The update that came before any heartbeat.
    early: Option<wire::Update>,
}

impl Fake {
    /// A stream without a hello yet.
    pub(super) async fn open(address: SocketAddr) -> Self {
        let mut client = SyncClient::connect(format!("http://{address}"))
            .await
            .unwrap();
        let (out, requests) = mpsc::channel(16);
        let answer = client.stream(ReceiverStream::new(requests)).await.unwrap();
        Self {
            held: Held::new(),
            out,
            inbound: answer.into_inner(),
            early: None,
        }
    }

    pub(super) async fn send(&self, message: FromHost) {
        let message = wire::FromHost {
            message: Some(message),
        };
        // Where the stream has ended already, the next to receive learns why.
        let _ = self.out.send(message).await;
    }

    /// Says hello and returns once the controller has taken it.
    pub(super) async fn connect(
        address: SocketAddr,
        host: &str,
        instance: u64,
        held: Held,
    ) -> Result<Self, Status> {
        let mut fake = Self::open(address).await;
        let keys = held.iter().map(|(key, version)| wire::Held {
            key: Some(key.into()),
            version: *version,
        });
        fake.send(FromHost::Hello(wire::Hello {
            host: host.to_owned(),
            version: "test".to_owned(),
            instance,
            held: keys.collect(),
        }))
        .await;
        fake.held = held;
        // A heartbeat comes at once, unless an update is faster.
        if let ToHost::Update(update) = fake.receive().await? {
            fake.early = Some(update);
        }
        Ok(fake)
    }

    async fn receive(&mut self) -> Result<ToHost, Status> {
        let message = self.inbound.message().await?;
        let ended = || Status::cancelled("the stream ended");
        message
            .and_then(|message| message.message)
            .ok_or_else(ended)
    }

    /// The next update; for each heartbeat that comes one goes out.
    pub(super) async fn update(&mut self) -> Result<wire::Update, Status> {
        if let Some(update) = self.early.take() {
            return Ok(update);
        }
        loop {
            match self.receive().await? {
                ToHost::Update(update) => return Ok(update),
                ToHost::Heartbeat(beat) => self.send(FromHost::Heartbeat(beat)).await,
                _ => {}
            }
        }
    }

    /// Why the stream ends, whatever comes before.
    pub(super) async fn end(&mut self) -> Code {
        loop {
            if let Err(status) = self.receive().await {
                return status.code();
            }
        }
    }

    pub(super) fn apply(&mut self, update: &wire::Update) {
        let received = read_update(update);
        assert_eq!(received.refused, []);
        for (delta, version) in received.deltas {
            let key = delta.key();
            match delta {
                weft_model::state::Delta::Upsert(_) => self.held.insert(key, version),
                weft_model::state::Delta::Remove(_) => self.held.remove(&key),
            };
        }
    }

    pub(super) async fn ack(&self, nonce: u64, refused: Vec<wire::Nack>) {
        self.send(FromHost::Ack(wire::Ack { nonce, refused })).await;
    }

    /// Applies and acknowledges one update.
    pub(super) async fn take(&mut self) -> wire::Update {
        let update = self.update().await.unwrap();
        self.apply(&update);
        self.ack(update.nonce, vec![]).await;
        update
    }

    /// Goes on with that for good; gives what it holds when the stream ends.
    pub(super) async fn follow(mut self) -> Held {
        while let Ok(update) = self.update().await {
            self.apply(&update);
            self.ack(update.nonce, vec![]).await;
        }
        self.held
    }
}
