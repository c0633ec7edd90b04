//! A TCP proxy that counts what goes through it, in both directions, connection by connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const BUFFER_BYTES: usize = 16 * 1024;

/// A running proxy. Dropping it ends it and cuts what goes through it.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What went through one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// From who connected.
    pub(crate) up: u64,
    /// To who connected.
    pub(crate) down: u64,
    pub(crate) open: bool,
    /// When something went through it last.
    pub(crate) last: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    connections: Mutex<Vec<Counted>>,
    cut: Notify,
}

impl Proxy {
    /// Listens on a free port of the loopback, for a server that may come and go.
    pub(crate) async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(accept(listener, target, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connections that reached the server, in order.
    pub(crate) fn connections(&self) -> Vec<Counted> {
        self.shared.lock().clone()
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_waiters();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Counted>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, index: usize, change: impl FnOnce(&mut Counted)) {
        if let Some(counted) = self.lock().get_mut(index) {
            change(counted);
        }
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        // While the server is away the client is hung up on.
        let Ok(server) = TcpStream::connect(target).await else {
            continue;
        };
        let index = {
            let mut all = shared.lock();
            all.push(Counted { up: 0, down: 0, open: true, last: Instant::now() });
            all.len() - 1
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let up = pump(from_client, to_server, |bytes| {
                shared.count(index, |c| (c.up, c.last) = (c.up + bytes, Instant::now()));
            });
            let down = pump(from_server, to_client, |bytes| {
                shared.count(index, |c| (c.down, c.last) = (c.down + bytes, Instant::now()));
            });
            // When one side ends, so does the connection.
            tokio::select! {
                () = shared.cut.notified() => (),
                _ = up => (),
                _ = down => (),
            }
            shared.count(index, |c| c.open = false);
        });
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(u64),
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        count(read.try_into().unwrap_or(0));
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_directions_are_counted_and_a_cut_is_seen() -> Result<()> {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Proxy::start(server.local_addr()?).await?;
        let mut client = TcpStream::connect(proxy.address()).await?;
        let (mut accepted, _) = server.accept().await?;
        client.write_all(b"hello").await?;
        let mut heard = [0; 5];
        accepted.read_exact(&mut heard).await?;
        accepted.write_all(b"ok").await?;
        let mut heard = [0; 2];
        client.read_exact(&mut heard).await?;
        let counted: Vec<_> = proxy.connections().iter().map(|c| (c.up, c.down, c.open)).collect();
        assert_eq!(counted, [(5, 2, true)]);
        proxy.cut();
        assert_eq!(client.read(&mut heard).await?, 0);
        Ok(())
    }
}
