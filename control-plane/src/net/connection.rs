//! One accepted connection, after its handshake.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::crowd::Place;

/// Who is at the other end; in each request's extensions.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The address that the connection came from.
    pub remote: SocketAddr,
    /// The client's certificate, verified against our CA, or none.
    pub certificate: Option<CertificateDer<'static>>,
}

/// A TLS connection that counts against its listener's limit for as long as it lives.
#[derive(Debug)]
pub struct Connection {
    stream: TlsStream<TcpStream>,
    info: PeerInfo,
    end: Option<End>,
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// When nothing more is read.
#[derive(Debug)]
struct End {
    at: Pin<Box<Sleep>>,
    /// After the first bytes: `None` for never.
    then: Option<Instant>,
    silent: bool,
}

impl Connection {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        remote: SocketAddr,
        permit: OwnedSemaphorePermit,
        place: Place,
    ) -> Self {
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first).cloned();
        let certificate = certificate.map(CertificateDer::into_owned);
        Self {
            stream,
            info: PeerInfo { remote, certificate },
            end: None,
            _permit: permit,
            _place: place,
        }
    }

    /// Ends when nothing came by `silent`, and in any case by `last`.
    pub(super) fn end_by(&mut self, silent: Instant, last: Option<Instant>) {
        let first = last.map_or(silent, |last| last.min(silent));
        self.end = Some(End { at: Box::pin(sleep_until(first)), then: last, silent: true });
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &PeerInfo {
        &self.info
    }
}

impl Connected for Connection {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(end) = &mut self.end {
            if end.silent && buf.filled().len() > before {
                end.silent = false;
                if let Some(then) = end.then {
                    end.at.as_mut().reset(then);
                } else {
                    self.end = None;
                    return read;
                }
            }
            if end.at.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
