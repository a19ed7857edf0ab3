//! Devices by netlink, inside a namespace.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::AsRawFd as _,
};

use futures::TryStreamExt as _;
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, LinkVxlan};

use crate::{BenchError, io, netns::Netns};

/// All test networks here are /24.
const PREFIX: u8 = 24;
/// IANA's VXLAN port (RFC 7348 section 5).
const VXLAN_PORT: u16 = 4789;

fn netlink(what: &'static str) -> impl FnOnce(rtnetlink::Error) -> BenchError {
    move |source| BenchError::Netlink { what, source }
}

/// The devices of one namespace.
pub(crate) struct Links(Handle);

impl Links {
    /// Does `work` with the devices of `netns`.
    pub(crate) fn inside(
        netns: &Netns,
        work: impl AsyncFnOnce(Links) -> Result<(), BenchError> + Send,
    ) -> Result<(), BenchError> {
        netns.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
                .map_err(io("start a netlink connection"))?;
            runtime.block_on(async {
                let (connection, handle, _) =
                    rtnetlink::new_connection().map_err(io("open a netlink socket"))?;
                let driver = tokio::spawn(connection);
                let outcome = work(Self(handle)).await;
                driver.abort();
                outcome
            })
        })
    }

    async fn index(&self, name: &str) -> Result<u32, BenchError> {
        let mut found = self.0.link().get().match_name(name.to_owned()).execute();
        match found.try_next().await {
            Ok(Some(link)) => Ok(link.header.index),
            _ => Err(BenchError::NoDevice(name.to_owned())),
        }
    }

    /// A veth pair: `name` here and up, `peer` in another namespace.
    pub(crate) async fn veth(
        &self,
        name: &str,
        peer: &str,
        there: &Netns,
    ) -> Result<(), BenchError> {
        // Both ends may have the same name in the end: the far one has another until it has moved.
        let moving = format!("{name}-far");
        let pair = LinkVeth::new(name, &moving).up().build();
        self.0
            .link()
            .add(pair)
            .execute()
            .await
            .map_err(netlink("make a veth pair"))?;
        let far = LinkUnspec::new_with_index(self.index(&moving).await?)
            .setns_by_fd(there.file().as_raw_fd())
            .name(peer)
            .build();
        self.0
            .link()
            .change(far)
            .execute()
            .await
            .map_err(netlink("move a veth's end"))
    }

    /// A bridge, up.
    pub(crate) async fn bridge(&self, name: &str) -> Result<(), BenchError> {
        let bridge = LinkBridge::new(name).up().build();
        self.0
            .link()
            .add(bridge)
            .execute()
            .await
            .map_err(netlink("make a bridge"))
    }

    /// A point-to-point VXLAN device, up.
    pub(crate) async fn vxlan(
        &self,
        name: &str,
        vni: u32,
        local: Ipv4Addr,
        remote: Ipv4Addr,
    ) -> Result<(), BenchError> {
        let vxlan = LinkVxlan::new(name, vni)
            .local(local)
            .remote(remote)
            .port(VXLAN_PORT);
        self.0
            .link()
            .add(vxlan.up().build())
            .execute()
            .await
            .map_err(netlink("make a vxlan device"))
    }

    /// Puts a device into a bridge and up.
    pub(crate) async fn enslave(&self, name: &str, bridge: &str) -> Result<(), BenchError> {
        let (index, bridge) = (self.index(name).await?, self.index(bridge).await?);
        let link = LinkUnspec::new_with_index(index)
            .controller(bridge)
            .up()
            .build();
        self.0
            .link()
            .change(link)
            .execute()
            .await
            .map_err(netlink("put a device into a bridge"))
    }

    /// Sets a device up.
    pub(crate) async fn up(&self, name: &str) -> Result<(), BenchError> {
        let link = LinkUnspec::new_with_index(self.index(name).await?)
            .up()
            .build();
        self.0
            .link()
            .change(link)
            .execute()
            .await
            .map_err(netlink("set a device up"))
    }

    /// Gives a device its address and MTU and sets it up.
    pub(crate) async fn configure(
        &self,
        name: &str,
        address: Ipv4Addr,
        mtu: Option<u32>,
    ) -> Result<(), BenchError> {
        let index = self.index(name).await?;
        let mut link = LinkUnspec::new_with_index(index);
        if let Some(mtu) = mtu {
            link = link.mtu(mtu);
        }
        self.0
            .link()
            .change(link.up().build())
            .execute()
            .await
            .map_err(netlink("set a device up"))?;
        let add = self.0.address().add(index, IpAddr::V4(address), PREFIX);
        add.execute()
            .await
            .map_err(netlink("give a device its address"))
    }
}
