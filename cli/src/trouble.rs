//! What a person is told when the hub does not answer, or answers with an error.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};
use tonic::{Code, Status};

use crate::failure::{Exit, Failure};
use crate::text::shorten;

/// The code of a hub that does not answer, for whatever reason.
pub(crate) const UNREACHABLE: &str = "hub-unreachable";
const NEW_LOGIN: &str = "get a new context file from your administrator, then \
                         `hanse context import --replace FILE`";

/// Why no connection came about, as far as the chain of causes tells.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    OtherCa,
    ServerExpired,
    ServerName,
    ClientExpired,
    ClientRefused,
    Tls(String),
    Io(io::ErrorKind, String),
    Other(String),
}

/// Looks through an error's sources for the one that a person can do something about.
fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut current = Some(error);
    let mut last = error.to_string();
    while let Some(error) = current {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return tls_cause(tls);
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            if let Some(inner) = io.get_ref() {
                if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                    return tls_cause(tls);
                }
            } else {
                return Cause::Io(io.kind(), io.to_string());
            }
        }
        last = error.to_string();
        current = error.source();
    }
    Cause::Other(last)
}

fn tls_cause(error: &rustls::Error) -> Cause {
    if let rustls::Error::AlertReceived(alert) = error {
        let refused = [
            AlertDescription::UnknownCA,
            AlertDescription::BadCertificate,
            AlertDescription::CertificateRevoked,
            AlertDescription::CertificateUnknown,
            AlertDescription::CertificateRequired,
            AlertDescription::AccessDenied,
            AlertDescription::DecryptError,
        ];
        if *alert == AlertDescription::CertificateExpired {
            return Cause::ClientExpired;
        }
        if refused.contains(alert) {
            return Cause::ClientRefused;
        }
    }
    if let rustls::Error::InvalidCertificate(why) = error {
        if matches!(why, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
            return Cause::OtherCa;
        }
        if matches!(why, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
            return Cause::ServerExpired;
        }
        let other_name = matches!(
            why,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        );
        if other_name {
            return Cause::ServerName;
        }
    }
    Cause::Tls(error.to_string())
}

/// A failure for an error below gRPC.
pub(crate) fn of_transport(server: &str, error: &(dyn Error + 'static)) -> Failure {
    let tls = |why: &str| {
        Failure::new("tls", format!("there is no trusted connection to the hub at {server}"))
            .why(why)
    };
    let away = |why: String| {
        Failure::new(UNREACHABLE, format!("the hub at {server} cannot be reached")).why(why)
    };
    match cause(error) {
        Cause::OtherCa => tls("its certificate is of another CA than the one in this context")
            .hint("was the hub set up anew? then import its new admin.yaml: `hanse context import --replace FILE`"),
        Cause::ServerExpired => tls("the hub's certificate has expired, or this machine's clock is wrong")
            .hint("compare `date -u` here and there; restarting the hub renews its certificate"),
        Cause::ServerName => tls("its certificate is for other host names than the one in the URL")
            .hint("use the host name that the hub was set up with; `hanse context list` shows the URL"),
        Cause::ClientExpired => Failure::new("certificate-expired", "your client certificate has expired")
            .why(format!("the hub at {server} said so"))
            .hint(NEW_LOGIN)
            .exit(Exit::NOT_LOGGED_IN),
        Cause::ClientRefused => Failure::new("certificate-refused", "the hub does not accept your client certificate")
            .why(format!("the hub at {server} refused it: it is of another CA, or was revoked"))
            .hint(NEW_LOGIN)
            .exit(Exit::NOT_LOGGED_IN),
        Cause::Tls(why) => tls(&why).hint("is it a hub that listens there? see `hanse context list`"),
        Cause::Io(io::ErrorKind::ConnectionRefused, _) => {
            away("nothing listens there (connection refused)".to_owned())
                .hint("start it with `hanse-control-plane serve`, or choose another hub with `--context`")
        }
        Cause::Io(_, why) | Cause::Other(why) => away(why).hint("hanse check"),
    }
}

/// The request took too long.
pub(crate) fn timed_out(server: &str, seconds: u64) -> Failure {
    Failure::new("deadline", format!("the hub at {server} did not answer in {seconds} s"))
        .hint("hanse check")
}

/// Whether the hub says that somebody else was faster.
pub(crate) fn is_stale(status: &Status) -> bool {
    let in_metadata = || {
        status.metadata().iter().any(|entry| {
            matches!(entry, tonic::metadata::KeyAndValueRef::Ascii(_, value)
                if value.to_str().is_ok_and(|value| value == "STALE"))
        })
    };
    let in_details = || status.details().windows(5).any(|window| window == b"STALE");
    status.code() == Code::FailedPrecondition
        && (status.message().contains("STALE") || in_metadata() || in_details())
}

/// A failure for what the hub, or the transport below it, answered.
pub(crate) fn of_status(server: &str, status: &Status) -> Failure {
    let transport = status.source().filter(|_| {
        matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled
        )
    });
    if let Some(error) = transport {
        return of_transport(server, error);
    }
    let said = shorten(status.message(), 2000);
    let failure = match status.code() {
        Code::Unauthenticated => {
            Failure::new("unauthenticated", "the hub does not know who you are")
                .hint(NEW_LOGIN)
                .exit(Exit::NOT_LOGGED_IN)
        }
        Code::PermissionDenied => Failure::new("permission-denied", "you may not do that")
            .hint("`hanse auth whoami` shows who you are and what you may do"),
        Code::NotFound => Failure::new("not-found", "the hub has nothing of that name"),
        Code::AlreadyExists => Failure::new("already-exists", "it is there already"),
        Code::InvalidArgument => Failure::new("invalid", "the hub refuses the request as invalid"),
        Code::FailedPrecondition if is_stale(status) => {
            Failure::new("stale", "somebody else changed the fleet in the meantime")
                .hint("run the command again: it plans on what the fleet is now")
        }
        Code::FailedPrecondition => Failure::new("refused", "the hub refuses the change"),
        Code::ResourceExhausted => {
            Failure::new("too-much", "the hub has no room for this request now")
                .hint("try again in a moment")
        }
        Code::DeadlineExceeded => {
            Failure::new("deadline", "the hub did not answer in time").hint("hanse check")
        }
        Code::Aborted => {
            Failure::new("aborted", "the hub ended the request").hint("run the command again")
        }
        Code::Unimplemented => Failure::new("unimplemented", "the hub does not know this request")
            .hint("compare the versions of hub and command line: `hanse check`"),
        Code::Unavailable => {
            Failure::new(UNREACHABLE, format!("the hub at {server} is not available"))
                .hint("hanse check")
        }
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::OutOfRange
        | Code::Internal
        | Code::DataLoss => Failure::new("hub-error", "something went wrong in the hub")
            .hint("its log has the cause, under the request's id"),
    };
    let id = status.metadata().get("x-request-id").and_then(|id| id.to_str().ok());
    let why = match (said.is_empty(), id) {
        (_, Some(id)) => format!("{said} (request {id})"),
        (false, None) => said,
        (true, None) => return failure,
    };
    failure.why(why.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_and_exit(status: &Status) -> (&'static str, u8) {
        let failure = of_status("https://hub:1", status);
        (failure.code(), failure.exit_code().0)
    }

    #[test]
    fn an_answer_becomes_a_code_and_an_exit_code() {
        for (code, expected) in [
            (Code::Unauthenticated, ("unauthenticated", 4)),
            (Code::PermissionDenied, ("permission-denied", 1)),
            (Code::NotFound, ("not-found", 1)),
            (Code::FailedPrecondition, ("refused", 1)),
            (Code::Unavailable, ("hub-unreachable", 1)),
            (Code::Internal, ("hub-error", 1)),
        ] {
            assert_eq!(code_and_exit(&Status::new(code, "x")), expected);
        }
        let stale = Status::failed_precondition("STALE: the fleet is at 5");
        assert_eq!(code_and_exit(&stale), ("stale", 1));
        assert!(!is_stale(&Status::failed_precondition("a document is not valid")));
        assert!(!is_stale(&Status::internal("STALE")));
        let mut elsewhere = Status::failed_precondition("somebody was faster");
        let value = tonic::metadata::MetadataValue::from_static("STALE");
        elsewhere.metadata_mut().insert("hanse-reason", value);
        assert!(is_stale(&elsewhere));
    }

    #[test]
    fn causes_are_found_through_the_chain() {
        let tls = |error: rustls::Error| {
            let failure = of_transport("https://hub:1", &io::Error::other(error));
            (failure.code(), failure.exit_code().0)
        };
        let invalid = |why| tls(rustls::Error::InvalidCertificate(why));
        let alert = |alert| tls(rustls::Error::AlertReceived(alert));
        assert_eq!(invalid(CertificateError::UnknownIssuer), ("tls", 1));
        assert_eq!(alert(AlertDescription::CertificateExpired), ("certificate-expired", 4));
        assert_eq!(alert(AlertDescription::UnknownCA), ("certificate-refused", 4));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let failure = of_transport("https://hub:1", &refused);
        assert_eq!(failure.code(), "hub-unreachable");
        assert!(failure.summary().contains("nothing listens there"), "{failure}");
    }

    #[test]
    fn the_hubs_text_is_escaped_and_keeps_the_request_id() {
        let mut status = Status::internal("oh\u{1b}[2J");
        let id = tonic::metadata::MetadataValue::from_static("r-7");
        status.metadata_mut().insert("x-request-id", id);
        let shown = anstream::adapter::strip_str(&of_status("https://hub:1", &status).to_string())
            .to_string();
        assert!(shown.contains(r"oh\u{1b}[2J (request r-7)"), "{shown}");
    }
}
