//! `/metrics` in the text form of `OpenMetrics`, and `/healthz`, over HTTP/1.1: what a program shows to a
//! monitoring system. What the metrics are is the program's own business.
//! Source: <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use prometheus_client::registry::Registry;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 16;
/// How long a client may take for the head of a request.
const HEADERS: Duration = Duration::from_secs(5);
/// How long one connection may last.
const LIFETIME: Duration = Duration::from_mins(5);
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// An error of `accept`, such as too many open files, may pass.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens; a port that is taken is said now.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until it is asked to end. `registry` is asked anew each time.
pub async fn serve<R>(
    listener: TcpListener,
    registry: R,
    soft: CancellationToken,
) -> Result<(), Infallible>
where
    R: Fn() -> Registry + Clone + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = soft.cancelled() => break,
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = soft.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let registry = registry.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    let _ = tokio::time::timeout(LIFETIME, connection(stream, registry)).await;
                });
            }
            Err(error) => {
                tracing::debug!("a connection for metrics was not accepted: {error}");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    Ok(())
}

async fn connection(stream: TcpStream, registry: impl Fn() -> Registry) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &registry);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection for metrics failed: {error}");
    }
}

fn answer(method: &Method, path: &str, registry: impl Fn() -> Registry) -> Response<Full<Bytes>> {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let (status, kind, text) = match (method, path) {
        (&(Method::GET | Method::HEAD), "/metrics") => {
            let mut text = String::new();
            match prometheus_client::encoding::text::encode(&mut text, &registry()) {
                Ok(()) => (StatusCode::OK, OPEN_METRICS, text),
                Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, PLAIN, String::new()),
            }
        }
        (&(Method::GET | Method::HEAD), "/healthz") => (StatusCode::OK, PLAIN, "ok\n".to_owned()),
        (_, "/metrics" | "/healthz") => {
            (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, PLAIN, "/metrics and /healthz are here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use prometheus_client::metrics::gauge::Gauge;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: SocketAddr, head: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn metrics_are_served_and_nothing_else() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let ships = Gauge::<i64>::default();
        ships.set(9);
        let registry = move || {
            let mut registry = Registry::default();
            registry.register("ships", "In the harbour", ships.clone());
            registry
        };
        let soft = CancellationToken::new();
        let server = tokio::spawn(serve(listener, registry, soft.clone()));
        let get = |what: &str| format!("{what} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let found = ask(address, &get("GET /metrics")).await;
        assert!(found.starts_with("HTTP/1.1 200") && found.contains("\nships 9\n"));
        assert!(found.contains(OPEN_METRICS) && found.ends_with("# EOF\n"), "{found}");
        assert!(ask(address, &get("GET /healthz")).await.ends_with("ok\n"));
        assert!(ask(address, &get("GET /")).await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, &get("POST /metrics")).await.starts_with("HTTP/1.1 405"));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2 * MAX_HEAD_BYTES));
        assert!(!ask(address, &long).await.starts_with("HTTP/1.1 200"));
        // More who say nothing than there is room for: they are cut off, and others are served then.
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(ask(address, &get("GET /healthz")).await.ends_with("ok\n"));
        soft.cancel();
        server.await.unwrap().unwrap();
    }
}
